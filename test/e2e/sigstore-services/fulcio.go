// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/sigstore/fulcio/pkg/ca/ephemeralca"
	"github.com/sigstore/fulcio/pkg/config"
	fulcio "github.com/sigstore/fulcio/pkg/generated/protobuf"
	"github.com/sigstore/fulcio/pkg/server"
	specs "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/grpc/metadata"
)

// serveFulcio trusts these issuers for addresses of mail, and gives the chain of its CA. It has no certificate transparency log.
func serveFulcio(issuers []issuer) (string, []*x509.Certificate, error) {
	known := map[string]config.OIDCIssuer{}
	for _, issuer := range issuers {
		known[issuer.URL] = config.OIDCIssuer{
			IssuerURL: issuer.URL, ClientID: audience, Type: config.IssuerTypeEmail, CACert: issuer.ca}
	}
	text, err := json.Marshal(config.FulcioConfig{OIDCIssuers: known})
	if err != nil {
		return "", nil, err
	}
	settings, err := config.Read(text)
	if err != nil {
		return "", nil, err
	}
	ca, err := ephemeralca.NewEphemeralCA()
	if err != nil {
		return "", nil, err
	}
	algorithms, err := signature.NewAlgorithmRegistryConfig([]specs.PublicKeyDetails{
		specs.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256})
	if err != nil {
		return "", nil, err
	}
	authority := configured{server.NewGRPCCAServer(nil, ca, algorithms, server.NewIssuerPool(settings)), settings}
	mux := runtime.NewServeMux(runtime.WithMetadata(func(_ context.Context, request *http.Request) metadata.MD {
		return metadata.Pairs(server.MetadataOIDCTokenKey, bearer(request))
	}))
	if err := fulcio.RegisterCAHandlerServer(context.Background(), mux, authority); err != nil {
		return "", nil, err
	}
	chain, _ := ca.GetSignerWithChain()
	url, err := serve(mux)
	return url, chain, err
}

func bearer(request *http.Request) string {
	const scheme = "Bearer "
	if header := request.Header.Get("Authorization"); len(header) > len(scheme) {
		return header[len(scheme):]
	}
	return ""
}

// configured gives each call the settings, as the interceptors of Fulcio's own program do.
type configured struct {
	fulcio.CAServer
	settings *config.FulcioConfig
}

func (c configured) CreateSigningCertificate(
	ctx context.Context, request *fulcio.CreateSigningCertificateRequest,
) (*fulcio.SigningCertificate, error) {
	return c.CAServer.CreateSigningCertificate(config.With(ctx, c.settings), request)
}
