// SPDX-License-Identifier: Apache-2.0

// Serves on loopback what signing without keys needs, with the code of Sigstore's own servers: Fulcio with a CA in memory, a
// timestamp authority, Rekor (version 2) with its log in a folder. The two issuers of identity tokens are the test's own.
// Prints where they are and the trusted root, JSON, and serves until its standard input ends: sigstore-services FOLDER.
package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// What Fulcio demands as the audience of a token.
const audience = "sigstore"

type addresses struct {
	Fulcio      string      `json:"fulcio"`
	Timestamps  string      `json:"timestamps"`
	Rekor       string      `json:"rekor"`
	Issuers     []issuer    `json:"issuers"`
	TrustedRoot trustedRoot `json:"trustedRoot"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: sigstore-services FOLDER")
	}
	var issuers []issuer
	for range 2 {
		made, err := serveIssuer()
		if err != nil {
			return err
		}
		issuers = append(issuers, made)
	}
	fulcio, authority, err := serveFulcio(issuers)
	if err != nil {
		return err
	}
	timestamps, timestampers, err := serveTimestamps()
	if err != nil {
		return err
	}
	rekor, log, err := serveRekor(arguments[0])
	if err != nil {
		return err
	}
	root := trustedRoot{
		MediaType:              "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		CertificateAuthorities: []certificateAuthority{authorityOf(authority)},
		TimestampAuthorities:   []certificateAuthority{authorityOf(timestampers)},
		Tlogs:                  []transparencyLog{log},
		Ctlogs:                 []transparencyLog{},
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses{fulcio, timestamps, rekor, issuers, root}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// serve answers at an address of its own, and gives its URL.
func serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { fmt.Fprintln(os.Stderr, http.Serve(listener, handler)) }()
	return "http://" + listener.Addr().String(), nil
}

func authorityOf(chain []*x509.Certificate) certificateAuthority {
	var found certificateAuthority
	for _, each := range chain {
		found.CertChain.Certificates = append(found.CertChain.Certificates, certificate{each.Raw})
	}
	found.ValidFor.Start = always
	return found
}
