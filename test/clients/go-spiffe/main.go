// SPDX-License-Identifier: Apache-2.0

// A module that knows nothing of Keystead: everything it has comes from go-spiffe, by SPIFFE_ENDPOINT_SOCKET.
// It says what it finds in lines that a test reads. With SERVE it answers over mutual TLS, with CALL it asks such a
// server, and with neither it only keeps its identity. It writes its tokens to TOKEN_FILE, and validates that in VALIDATE_FILE.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type watcher struct {
	updates chan<- *workloadapi.X509Context
}

func (w watcher) OnX509ContextUpdate(c *workloadapi.X509Context) { w.updates <- c }
func (w watcher) OnX509ContextWatchError(err error)              { fmt.Printf("watch-error %v\n", err) }

func main() {
	ctx := context.Background()
	started := time.Now()
	first, err := workloadapi.FetchX509Context(ctx)
	for err != nil {
		fmt.Printf("fetch-error %v\n", err)
		time.Sleep(time.Second)
		first, err = workloadapi.FetchX509Context(ctx)
	}
	fmt.Printf("first-ms %.1f\n", float64(time.Since(started).Microseconds())/1000)
	show("svid", first.DefaultSVID(), first.Bundles)
	go tokens(ctx)
	if file := os.Getenv("VALIDATE_FILE"); file != "" {
		go validate(ctx, file)
	}
	bundles, err := workloadapi.FetchX509Bundles(ctx)
	if err != nil {
		fmt.Printf("bundles-error %v\n", err)
	} else {
		fmt.Printf("bundles %d\n", bundles.Len())
	}
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		fmt.Printf("source-error %v\n", err)
		os.Exit(1)
	}
	if address := os.Getenv("SERVE"); address != "" {
		go serve(address, source)
	}
	if address := os.Getenv("CALL"); address != "" {
		go call(address, source)
	}
	updates := make(chan *workloadapi.X509Context)
	go func() {
		fmt.Printf("watch-ended %v\n", workloadapi.WatchX509Context(ctx, watcher{updates}))
	}()
	for update := range updates {
		show("update", update.DefaultSVID(), update.Bundles)
	}
}

// Fetches tokens as long as the program runs and validates each as its receiver would: with the keys of the bundle, and
// by asking the Workload API.
func tokens(ctx context.Context) {
	audience := os.Getenv("AUDIENCE")
	if audience == "" {
		audience = "nobody"
	}
	source, err := workloadapi.NewJWTSource(ctx)
	if err != nil {
		fmt.Printf("jwt-error %v\n", err)
		return
	}
	last := ""
	for ; ; time.Sleep(200 * time.Millisecond) {
		svid, err := source.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
		if err != nil {
			fmt.Printf("jwt-error %v\n", err)
			time.Sleep(time.Second)
			continue
		}
		token := svid.Marshal()
		if token == last {
			continue
		}
		last = token
		if file := os.Getenv("TOKEN_FILE"); file != "" {
			fmt.Printf("token-file err=%v\n", os.WriteFile(file, []byte(token), 0o600))
		}
		checked, err := jwtsvid.ParseAndValidate(token, source, []string{audience})
		if err != nil {
			fmt.Printf("jwt-invalid %v\n", err)
			continue
		}
		asked, err := workloadapi.ValidateJWTSVID(ctx, token, audience)
		if err != nil {
			fmt.Printf("jwt-invalid %v\n", err)
			continue
		}
		_, other := workloadapi.ValidateJWTSVID(ctx, token, "somebody-else")
		fmt.Printf("jwt id=%s asked=%s hint=%s aud=%v jti=%v left=%s other=%v\n", checked.ID, asked.ID, svid.Hint,
			checked.Audience, checked.Claims["jti"], time.Until(checked.Expiry).Round(time.Second), other)
	}
}

// Asks the Workload API of a token that somebody else was given, once it lies in the file, and says when the answer changes.
func validate(ctx context.Context, file string) {
	for last := ""; ; time.Sleep(20 * time.Millisecond) {
		token, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		said := "validate-ok"
		if _, err := workloadapi.ValidateJWTSVID(ctx, string(token), os.Getenv("AUDIENCE")); err != nil {
			said = fmt.Sprintf("validate-error %v", err)
		}
		if said != last {
			fmt.Println(said)
		}
		last = said
	}
}

// Verifies the SVID as a peer would: chain to the bundle, URI SAN, key usages.
func show(what string, svid *x509svid.SVID, bundles x509bundle.Source) {
	id, _, err := x509svid.Verify(svid.Certificates, bundles)
	if err != nil {
		fmt.Printf("verify-error %v\n", err)
		return
	}
	leaf := svid.Certificates[0]
	fmt.Printf("%s id=%s hint=%s serial=%x left=%s\n", what, id, svid.Hint, leaf.SerialNumber, time.Until(leaf.NotAfter).Round(time.Second))
}

func serve(address string, source *workloadapi.X509Source) {
	domain := ownDomain(source)
	listener, err := tls.Listen("tcp", address, tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeMemberOf(domain)))
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
	fmt.Fprintf(connection, "hello %s\n", peerID(connection.ConnectionState().PeerCertificates))
}

func call(address string, source *workloadapi.X509Source) {
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeMemberOf(ownDomain(source)))
	for ; ; time.Sleep(500 * time.Millisecond) {
		connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 2 * time.Second}, "tcp", address, config)
		if err != nil {
			fmt.Printf("call-error %v\n", err)
			continue
		}
		answer, err := bufio.NewReader(connection).ReadString('\n')
		peer := connection.ConnectionState().PeerCertificates
		fmt.Printf("called peer=%s peer-serial=%x answer=%q err=%v\n", peerID(peer), peer[0].SerialNumber, answer, err)
		connection.Close()
	}
}

func ownDomain(source *workloadapi.X509Source) spiffeid.TrustDomain {
	svid, err := source.GetX509SVID()
	if err != nil {
		fmt.Printf("source-error %v\n", err)
		os.Exit(1)
	}
	return svid.ID.TrustDomain()
}

func peerID(chain []*x509.Certificate) string {
	id, err := x509svid.IDFromCert(chain[0])
	if err != nil {
		return err.Error()
	}
	return id.String()
}
