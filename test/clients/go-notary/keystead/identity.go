// SPDX-License-Identifier: Apache-2.0

// Package keystead gives a module its identity where the private key is in the node's token: certificates that follow
// each rotation, a crypto.Signer, and TLS configurations for servers and clients. It is an example to copy: all of it
// rests on the Notary API.
package keystead

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	notary "keystead.dev/go-notary-client/notary"
)

// Client is the Notary API on the socket that SPIFFE_ENDPOINT_SOCKET names.
type Client struct {
	notary.NotaryClient
	connection *grpc.ClientConn
}

// Open connects when first used.
func Open() (*Client, error) {
	address, found := os.LookupEnv("SPIFFE_ENDPOINT_SOCKET")
	if !found {
		return nil, errors.New("SPIFFE_ENDPOINT_SOCKET is not set: add Socket to the delivery of the ModuleIdentity")
	}
	// Against forged requests: no server that is tricked into fetching a URL sends it (SPIFFE Workload Endpoint, section 3).
	withHeader := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", "true")
	}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn,
			invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(withHeader(ctx), method, request, reply, cc, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
			stream grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream(withHeader(ctx), desc, cc, method, options...)
		}))
	if err != nil {
		return nil, err
	}
	return &Client{notary.NewNotaryClient(connection), connection}, nil
}

// Signer signs with one key in the token. It is a crypto.Signer for crypto/tls, crypto/x509 and whatever takes one.
type Signer struct {
	client    *Client
	identity  string
	keyID     string
	publicKey crypto.PublicKey
}

func (s *Signer) Public() crypto.PublicKey { return s.publicKey }

// Sign takes a SHA-256 digest and gives a DER signature.
func (s *Signer) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	if options.HashFunc() != crypto.SHA256 {
		return nil, fmt.Errorf("the key signs SHA-256 digests, not %v", options.HashFunc())
	}
	answer, err := s.client.Sign(context.Background(), &notary.SignRequest{
		Identity: s.identity, KeyId: s.keyID, Input: &notary.SignRequest_Digest{Digest: digest},
	})
	if err != nil {
		return nil, err
	}
	return answer.Signature, nil
}

// State is an identity between two changes.
type State struct {
	Name     string
	SpiffeID string
	Leaf     *x509.Certificate
	Signer   *Signer
	// Certificate has the Signer as its private key.
	Certificate tls.Certificate
	Roots       *x509.CertPool
}

// Identity follows the first of the module's identities.
type Identity struct {
	client *Client
	state  atomic.Pointer[State]
}

// Follow waits for the identity, and from then on calls changed for each change, with the error that ended it at last.
func Follow(ctx context.Context, client *Client, changed func(*State, error)) (*Identity, error) {
	stream, err := client.Watch(ctx, &notary.WatchRequest{})
	if err != nil {
		return nil, err
	}
	identity := &Identity{client: client}
	if err := identity.receive(stream, changed); err != nil {
		return nil, err
	}
	go func() {
		for {
			if err := identity.receive(stream, changed); err != nil {
				changed(nil, err)
				return
			}
		}
	}()
	return identity, nil
}

// Current is the identity as it is now.
func (i *Identity) Current() *State { return i.state.Load() }

// Server requires a client certificate of the own trust domain. Each handshake uses the certificate of its time.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			state := i.Current()
			return &tls.Config{
				MinVersion:   tls.VersionTLS12,
				Certificates: []tls.Certificate{state.Certificate},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    state.Roots,
			}, nil
		},
	}
}

// ClientOf accepts a server of the own trust domain whose SPIFFE ID begins with one given.
func (i *Identity) ClientOf(prefix string) *tls.Config {
	state := i.Current()
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{state.Certificate},
		// A SPIFFE ID is verified in place of a host name.
		InsecureSkipVerify: true,
		VerifyConnection: func(connection tls.ConnectionState) error {
			return verify(connection.PeerCertificates, state.Roots, prefix)
		},
	}
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, prefix string) error {
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	options := x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: usages}
	if _, err := chain[0].Verify(options); err != nil {
		return err
	}
	if id := SpiffeID(chain[0]); !strings.HasPrefix(id, prefix) {
		return fmt.Errorf("expected a SPIFFE ID that begins with %s, found %s", prefix, id)
	}
	return nil
}

// SpiffeID is the URI of an X.509-SVID.
func SpiffeID(certificate *x509.Certificate) string {
	if len(certificate.URIs) != 1 {
		return ""
	}
	return certificate.URIs[0].String()
}

func (i *Identity) receive(stream grpc.ServerStreamingClient[notary.WatchResponse], changed func(*State, error)) error {
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	state, err := i.stateOf(answer.Identities[0], answer.TrustAnchors)
	if err != nil {
		return err
	}
	i.state.Store(state)
	changed(state, nil)
	return nil
}

func (i *Identity) stateOf(held *notary.Identity, anchors map[string]*notary.TrustAnchors) (*State, error) {
	leaf, err := x509.ParseCertificate(held.Chain[0])
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for domain, bundle := range anchors {
		if !strings.HasPrefix(held.SpiffeId, domain+"/") {
			continue
		}
		for _, der := range bundle.Certificates {
			root, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, err
			}
			roots.AddCert(root)
		}
	}
	signer := &Signer{i.client, held.Name, held.Key.KeyId, leaf.PublicKey}
	certificate := tls.Certificate{
		Certificate: held.Chain,
		PrivateKey:  signer,
		Leaf:        leaf,
		// In TLS 1.2 the peer might choose another hash with the same key.
		SupportedSignatureAlgorithms: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	}
	return &State{held.Name, held.SpiffeId, leaf, signer, certificate, roots}, nil
}
