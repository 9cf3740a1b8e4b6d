# syntax=docker/dockerfile:1
# SPDX-License-Identifier: Apache-2.0
#
# The product's image, for those who build with Docker or BuildKit. `node src/build/image/cli.ts` makes the same image without
# either; both have the same paths and users, and the chart runs both.
#   docker build -t registry.example.org/keystead:0.1.0 .
#   docker build --build-arg SOFTHSM=no …      without the software token (hardware only)

ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS build
# pkcs11js has no prebuilt binary: it is compiled here and nowhere else.
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY crds crds
COPY charts charts
COPY controllers controllers
COPY src src
RUN node src/build/bundle.ts

# Node.js with the libraries that it and the native modules need: no shell, no package manager, no npm.
FROM ${NODE_IMAGE} AS rootfs
ARG SOFTHSM=yes
RUN if [ "$SOFTHSM" = yes ]; then \
      apt-get update && apt-get install -y --no-install-recommends libsofthsm2 && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /src/out /rootfs/opt/keystead
RUN set -eu; \
    mkdir -p /rootfs/usr/local/bin /rootfs/etc /rootfs/tmp; \
    chmod 1777 /rootfs/tmp; \
    cp /usr/local/bin/node /rootfs/usr/local/bin/node; \
    if [ "$SOFTHSM" = yes ]; then install -D /usr/lib/softhsm/libsofthsm2.so /rootfs/usr/lib/softhsm/libsofthsm2.so; fi; \
    for file in $(find /rootfs -name node -o -name '*.node' -o -name '*.so'); do ldd "$file"; done \
      | grep -o '/[^ ]*' | sort -u | while read -r library; do install -D "$(readlink -f "$library")" "/rootfs$library"; done; \
    printf '%s\n' root:x:0:0::/:/nonexistent keystead:x:64645:64645::/:/nonexistent \
      keystead-notary:x:64646:64646::/:/nonexistent > /rootfs/etc/passwd; \
    printf '%s\n' root:x:0: keystead:x:64645: keystead-notary:x:64646: > /rootfs/etc/group

FROM scratch
COPY --from=rootfs /rootfs/ /
ENV NODE_ENV=production
WORKDIR /opt/keystead
# The controller's user. The chart runs the notary as 64646 and the agent, which mounts volumes for the kubelet, as root.
USER 64645:64645
ENTRYPOINT ["/usr/local/bin/node"]
