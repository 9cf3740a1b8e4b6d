// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// An issuer of identity tokens: its own name, which is where Fulcio asks it for its keys, and where the test asks for tokens.
type issuer struct {
	URL    string `json:"url"`
	Tokens string `json:"tokens"`
	ca     string
}

// serveIssuer is an OpenID provider that gives whoever asks a token for any address: GET tokens?email=…
func serveIssuer() (issuer, error) {
	var made issuer
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		return made, err
	}
	mux := http.NewServeMux()
	provider := httptest.NewTLSServer(mux)
	made.URL = provider.URL
	made.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: provider.Certificate().Raw}))
	mux.HandleFunc("/.well-known/openid-configuration", answer(map[string]any{
		"issuer": made.URL, "jwks_uri": made.URL + "/keys",
		"authorization_endpoint": made.URL + "/none", "token_endpoint": made.URL + "/none",
		"id_token_signing_alg_values_supported": []string{"ES256"}, "response_types_supported": []string{"id_token"},
		"subject_types_supported": []string{"public"},
	}))
	mux.HandleFunc("/keys", answer(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}}))
	made.Tokens, err = serve(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		email, now := request.URL.Query().Get("email"), time.Now()
		token, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": made.URL, "sub": email, "aud": audience, "email": email, "email_verified": true,
			"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		}).Serialize()
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(response, token)
	}))
	return made, err
}

func answer(value any) http.HandlerFunc {
	return func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(response).Encode(value)
	}
}
