// SPDX-License-Identifier: Apache-2.0

// Asks the server with the files of its volume by Go's crypto/tls, in a right way and in wrong ones, and says what came,
// line by line.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const files = "/var/run/keystead"

// In the place of an anchor of somebody else's: none at all.
const none = ""

func main() {
	for {
		if _, err := os.Stat(files + "/tls.key"); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for {
		ask("files", files+"/ca.crt", files+"/tls.crt", files+"/tls.key")
		ask("one-file", files+"/trust-bundle.pem", files+"/credential-bundle.pem", files+"/credential-bundle.pem")
		ask("other-anchors", none, files+"/tls.crt", files+"/tls.key")
		ask("no-certificate", files+"/ca.crt", none, none)
		fmt.Println("crl", revocations())
		time.Sleep(5 * time.Second)
	}
}

func ask(name, anchors, chain, key string) {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if anchors != none {
		if !config.RootCAs.AppendCertsFromPEM(read(anchors)) {
			fmt.Println(name, "failed: no anchor in", anchors)
			return
		}
	}
	if chain != none {
		pair, err := tls.LoadX509KeyPair(chain, key)
		if err != nil {
			fmt.Println(name, "failed", err)
			return
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	answer, err := client.Get("https://" + os.Getenv("SERVER") + ":8443/")
	if err != nil {
		fmt.Println(name, "failed", err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	fmt.Println(name, strings.TrimSpace(string(text)), err)
}

// How many of the lists are signed by how many of the anchors.
func revocations() string {
	var anchors []*x509.Certificate
	for _, block := range blocks(files + "/ca.crt") {
		anchor, err := x509.ParseCertificate(block)
		if err != nil {
			return err.Error()
		}
		anchors = append(anchors, anchor)
	}
	lists, signed := blocks(files+"/crl.pem"), 0
	for _, block := range lists {
		list, err := x509.ParseRevocationList(block)
		if err != nil {
			return err.Error()
		}
		for _, anchor := range anchors {
			if list.CheckSignatureFrom(anchor) == nil {
				signed++
			}
		}
	}
	return fmt.Sprintf("lists=%d signed=%d", len(lists), signed)
}

func blocks(path string) [][]byte {
	var found [][]byte
	for block, rest := pem.Decode(read(path)); block != nil; block, rest = pem.Decode(rest) {
		found = append(found, block.Bytes)
	}
	return found
}

func read(path string) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		fmt.Println("read-error", err)
	}
	return content
}
