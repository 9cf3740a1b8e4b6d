# SPDX-License-Identifier: Apache-2.0
# Reads the files of the volume with keytool: a key store that trusts the anchors takes the chain, another one does not.
FILES=/var/run/keystead
export JAVA_TOOL_OPTIONS='-XX:-UsePerfData -XX:+UseSerialGC -Xmx64m'

tool() {
  # In one line.
  echo $(keytool "$@" 2>&1)
}

until [ -e $FILES/tls.key ]; do sleep 0.1; done
echo "chain $(tool -printcert -file $FILES/tls.crt)"
echo "crl $(tool -printcrl -file $FILES/crl.pem)"
for anchors in $FILES/ca.crt /app/stranger.crt; do
  store="-keystore /tmp/${anchors##*/}.p12 -storepass changeit"
  tool -importcert -noprompt -alias anchor -file $anchors $store
  # It asks about a chain that nothing in the store vouches for.
  echo "by $anchors $(echo no | tool -importcert -alias module -file $FILES/tls.crt $store)"
done
sleep 1000000
