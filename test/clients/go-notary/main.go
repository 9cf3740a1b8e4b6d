// SPDX-License-Identifier: Apache-2.0

// A module whose private key is in the node's token. It says what it finds in lines that a test reads. With SERVE it
// answers over mutual TLS, with CALL it asks such a server; TLS signs through the Notary API. What it encrypts it leaves in
// SEALED_FILE, and it decrypts what lies in OPEN_FILE.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"keystead.dev/go-notary-client/keystead"
	"keystead.dev/go-notary-client/notary"
)

func main() {
	ctx := context.Background()
	client, err := keystead.Open()
	if err != nil {
		fmt.Printf("open-error %v\n", err)
		os.Exit(1)
	}
	for {
		identity, err := keystead.Follow(ctx, client, show)
		if err != nil {
			fmt.Printf("follow-error %v\n", err)
			time.Sleep(time.Second)
			continue
		}
		use(ctx, client, identity)
		if address := os.Getenv("SERVE"); address != "" {
			serve(address, identity)
		}
		if address := os.Getenv("CALL"); address != "" {
			call(address, identity)
		}
		select {}
	}
}

func show(state *keystead.State, err error) {
	if err != nil {
		fmt.Printf("watch-ended %v\n", err)
		os.Exit(0)
	}
	signature, err := state.Signer.Sign(rand.Reader, digestOf("hello"), crypto.SHA256)
	valid := err == nil && ecdsa.VerifyASN1(state.Leaf.PublicKey.(*ecdsa.PublicKey), digestOf("hello"), signature)
	fmt.Printf("identity name=%s id=%s serial=%x key=%s signs=%v err=%v\n",
		state.Name, state.SpiffeID, state.Leaf.SerialNumber, keyOf(state), valid, err)
}

func keyOf(state *keystead.State) string {
	digest := sha256.Sum256(state.Leaf.RawSubjectPublicKeyInfo)
	return fmt.Sprintf("%x", digest[:6])
}

// Tries each call once, allowed or not.
func use(ctx context.Context, client *keystead.Client, identity *keystead.Identity) {
	sealed, err := client.Encrypt(ctx, &notary.EncryptRequest{Plaintext: []byte("secret"), AdditionalData: []byte("a")})
	fmt.Printf("encrypt err=%v\n", err)
	if err == nil {
		opened, err := client.Decrypt(ctx, &notary.DecryptRequest{Ciphertext: sealed.Ciphertext, AdditionalData: []byte("a")})
		fmt.Printf("decrypt same=%v err=%v\n", string(opened.GetPlaintext()) == "secret", err)
		_, err = client.Decrypt(ctx, &notary.DecryptRequest{Ciphertext: sealed.Ciphertext, AdditionalData: []byte("b")})
		fmt.Printf("decrypt-other err=%v\n", err)
		if file := os.Getenv("SEALED_FILE"); file != "" {
			fmt.Printf("sealed-file err=%v\n", os.WriteFile(file, sealed.Ciphertext, 0o600))
		}
	}
	if file := os.Getenv("OPEN_FILE"); file != "" {
		go open(ctx, client, file)
	}
	own := identity.Current().SpiffeID
	for _, id := range []string{own, own + "-other"} {
		request := requestFor(id)
		issued, err := client.IssueCertificate(ctx, &notary.IssueCertificateRequest{CertificationRequest: request})
		fmt.Printf("issue id=%s chain=%d err=%v\n", id, len(issued.GetChain()), err)
	}
	_, err = client.GetPublicKey(ctx, &notary.GetPublicKeyRequest{Identity: "vault"})
	fmt.Printf("other-identity err=%v\n", err)
}

// Decrypts what somebody else has encrypted, once it lies in the file.
func open(ctx context.Context, client *keystead.Client, file string) {
	sealed, err := os.ReadFile(file)
	for ; err != nil; sealed, err = os.ReadFile(file) {
		time.Sleep(100 * time.Millisecond)
	}
	opened, err := client.Decrypt(ctx, &notary.DecryptRequest{Ciphertext: sealed, AdditionalData: []byte("a")})
	fmt.Printf("open-file same=%v err=%v\n", string(opened.GetPlaintext()) == "secret", err)
}

// A request by crypto/x509 for a key that this program makes.
func requestFor(id string) []byte {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	uri, _ := url.Parse(id)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{uri}}, key)
	if err != nil {
		fmt.Printf("request-error %v\n", err)
	}
	return request
}

func serve(address string, identity *keystead.Identity) {
	listener, err := tls.Listen("tcp", address, identity.Server())
	if err != nil {
		fmt.Printf("serve-error %v\n", err)
		return
	}
	fmt.Println("serving")
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Printf("accept-error %v\n", err)
			return
		}
		go answer(connection.(*tls.Conn))
	}
}

func answer(connection *tls.Conn) {
	defer connection.Close()
	if err := connection.Handshake(); err != nil {
		fmt.Printf("handshake-error %v\n", err)
		return
	}
	fmt.Fprintf(connection, "hello %s\n", keystead.SpiffeID(connection.ConnectionState().PeerCertificates[0]))
}

func call(address string, identity *keystead.Identity) {
	for ; ; time.Sleep(500 * time.Millisecond) {
		config := identity.ClientOf(os.Getenv("EXPECT"))
		connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 2 * time.Second}, "tcp", address, config)
		if err != nil {
			fmt.Printf("call-error %v\n", err)
			continue
		}
		answer, err := bufio.NewReader(connection).ReadString('\n')
		state := connection.ConnectionState()
		peer := state.PeerCertificates[0]
		fmt.Printf("called peer=%s peer-serial=%x version=%s answer=%q err=%v\n",
			keystead.SpiffeID(peer), peer.SerialNumber, tls.VersionName(state.Version), answer, err)
		connection.Close()
	}
}

func digestOf(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	return digest[:]
}
