// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

// serveTimestamps gives the URL to ask for timestamps (RFC 3161) and the chain of who signs them, whose key is in memory.
func serveTimestamps() (string, []*x509.Certificate, error) {
	const policy = "1.3.6.1.4.1.57264.2"
	viper.Set("timestamp-signer", "memory")
	viper.Set("timestamp-signer-hash", "sha256")
	viper.Set("accepted-policy-oids", []string{policy})
	viper.Set("default-policy-oid", policy)
	authority := server.NewRestAPIServer("localhost", 0, []string{"http"}, false, 10*time.Second, 10*time.Second)
	url, err := serve(authority.GetHandler())
	if err != nil {
		return "", nil, err
	}
	response, err := http.Get(url + "/api/v1/timestamp/certchain")
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("the timestamp authority gives no chain: %s", response.Status)
	}
	pem, err := io.ReadAll(response.Body)
	if err != nil {
		return "", nil, err
	}
	chain, err := cryptoutils.UnmarshalCertificatesFromPEM(pem)
	return url + "/api/v1/timestamp", chain, err
}
