// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix/app"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
)

// The log's name in what it signs.
const origin = "rekor.test"

// serveRekor runs Rekor's own program, which reads the command line, with its log in the folder.
func serveRekor(folder string) (string, transparencyLog, error) {
	var log transparencyLog
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", log, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", log, err
	}
	key := filepath.Join(folder, "rekor-key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return "", log, err
	}
	var ports [3]string
	for index := range ports {
		if ports[index], err = freePort(); err != nil {
			return "", log, err
		}
	}
	os.Args = []string{"rekor-server", "serve", "--hostname", origin, "--log-level", "error",
		"--storage-dir", filepath.Join(folder, "rekor"), "--signer-filepath", key,
		"--http-port", ports[0], "--grpc-port", ports[1], "--http-metrics-port", ports[2],
		"--batch-max-age", "100ms", "--checkpoint-interval", "200ms"}
	go app.Execute()
	url := "http://127.0.0.1:" + ports[0]
	if err := answers(url); err != nil {
		return "", log, err
	}
	if log.PublicKey.RawBytes, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return "", log, err
	}
	_, log.LogID.KeyID, err = note.KeyHash(origin, public)
	log.BaseURL, log.HashAlgorithm, log.PublicKey.KeyDetails = "https://"+origin, "SHA2_256", "PKIX_ED25519"
	log.PublicKey.ValidFor.Start = always
	return url, log, err
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}

func answers(url string) error {
	for range 200 {
		response, err := http.Get(url + "/healthz")
		if err == nil {
			response.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("rekor does not answer at %s", url)
}
