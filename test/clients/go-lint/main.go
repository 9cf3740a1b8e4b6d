// SPDX-License-Identifier: Apache-2.0

// Lints what the Workload API gives by zlint and go-jose, which know nothing of Keystead, and says what they find, line
// by line.
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

func main() {
	ctx := context.Background()
	client, err := workloadapi.New(ctx)
	must(err)
	svids, err := client.FetchX509Context(ctx)
	must(err)
	svid := svids.DefaultSVID()
	for index, certificate := range svid.Certificates {
		fmt.Printf("chain-%d %s\n", index, findings(certificate.Raw))
	}
	bundle, err := svids.Bundles.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
	must(err)
	for index, anchor := range bundle.X509Authorities() {
		fmt.Printf("anchor-%d %s\n", index, findings(anchor.Raw))
	}
	fmt.Printf("control %s\n", findings(faulty()))

	bundles, err := client.FetchJWTBundles(ctx)
	must(err)
	keys, err := bundles.GetJWTBundleForTrustDomain(svid.ID.TrustDomain())
	must(err)
	jwks, err := keys.Marshal()
	must(err)
	fmt.Printf("jwks %s\n", wrongKeys(jwks))
	token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "server"})
	must(err)
	fmt.Printf("jwt %s\n", wrongToken(token.Marshal(), jwks, svid.ID.String(), "server"))
	fmt.Printf("jwt-control %s\n", wrongToken(token.Marshal(), jwks, svid.ID.String(), "somebody-else"))
	<-make(chan struct{})
}

func must(err error) {
	if err == nil {
		return
	}
	fmt.Println("failed", err)
	os.Exit(1)
}

// What RFC 5280 and its kin demand; the rules for the certificates of public web sites are not meant.
func findings(der []byte) string {
	certificate, err := zx509.ParseCertificate(der)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6962, lint.RFC8813, lint.Community},
	})
	must(err)
	results := zlint.LintCertificateEx(certificate, registry)
	passed := 0
	var found []string
	for name, result := range results.Results {
		switch {
		case result.Status == lint.Pass:
			passed++
		case result.Status > lint.Pass:
			found = append(found, fmt.Sprintf("%s=%s", name, result.Status))
		}
	}
	sort.Strings(found)
	return fmt.Sprintf("passed=%d found=[%s]", passed, strings.Join(found, " "))
}

// An authority without key identifiers that may not sign certificates.
func faulty() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now(),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(err)
	return der
}

func wrongKeys(text []byte) string {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return err.Error()
	}
	seen := map[string]bool{}
	for _, key := range set.Keys {
		public, isEC := key.Key.(*ecdsa.PublicKey)
		if !isEC || !key.Valid() || !key.IsPublic() || public.Curve != elliptic.P256() {
			return "not a public key of P-256: " + key.KeyID
		}
		if key.KeyID == "" || seen[key.KeyID] {
			return "a key without an id of its own"
		}
		if _, err := key.Thumbprint(crypto.SHA256); err != nil {
			return err.Error()
		}
		seen[key.KeyID] = true
	}
	return fmt.Sprintf("keys=%d", len(set.Keys))
}

func wrongToken(token string, jwks []byte, subject, audience string) string {
	var set jose.JSONWebKeySet
	must(json.Unmarshal(jwks, &set))
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err.Error()
	}
	var claims jwt.Claims
	if err := parsed.Claims(set, &claims); err != nil {
		return err.Error()
	}
	if err := claims.Validate(jwt.Expected{Subject: subject, AnyAudience: jwt.Audience{audience}, Time: time.Now()}); err != nil {
		return err.Error()
	}
	if claims.ID == "" || claims.IssuedAt == nil || claims.Expiry == nil {
		return "jti, iat or exp is missing"
	}
	return "valid"
}
