// SPDX-License-Identifier: Apache-2.0

// The witness is a module that says by HTTP when it, or another one, lost its identity, in seconds since the boot:
//
//	GET /closed           once its stream of X.509-SVIDs has ended with PermissionDenied
//	GET /token            a JWT-SVID of its own
//	GET /refused?token=…  once that token, which must be valid, is refused by ValidateJWTSVID
//
// With an argument it does nothing for that many seconds: as somebody does who was executed in the container.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const audience = "bench"

// Between two questions whether a token is valid.
const pause = 2 * time.Millisecond

func main() {
	if len(os.Args) > 1 {
		seconds, _ := strconv.Atoi(os.Args[1])
		time.Sleep(time.Duration(seconds) * time.Second)
		return
	}
	ctx := context.Background()
	client := connected(ctx)
	stream := &watcher{opened: make(chan struct{}), closed: make(chan struct{})}
	go func() { _ = client.WatchX509Context(ctx, stream) }()
	http.HandleFunc("/closed", func(w http.ResponseWriter, _ *http.Request) {
		<-stream.closed
		fmt.Fprintf(w, "%.3f", stream.at)
	})
	http.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		<-stream.opened
		svid, err := client.FetchJWTSVID(r.Context(), jwtsvid.Params{Audience: audience})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, svid.Marshal())
	})
	http.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
		token := r.FormValue("token")
		if _, err := client.ValidateJWTSVID(r.Context(), token, audience); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for {
			if _, err := client.ValidateJWTSVID(r.Context(), token, audience); status.Code(err) == codes.InvalidArgument {
				fmt.Fprintf(w, "%.3f", sinceBoot())
				return
			} else if r.Context().Err() != nil {
				return
			}
			time.Sleep(pause)
		}
	})
	fmt.Println(http.ListenAndServe(":8080", nil))
	os.Exit(1)
}

func connected(ctx context.Context) *workloadapi.Client {
	for {
		client, err := workloadapi.New(ctx)
		if err == nil {
			return client
		}
		fmt.Println(err)
		time.Sleep(100 * time.Millisecond)
	}
}

type watcher struct {
	opened, closed chan struct{}
	open, close    sync.Once
	at             float64
}

func (w *watcher) OnX509ContextUpdate(*workloadapi.X509Context) {
	w.open.Do(func() { close(w.opened) })
}

// Before it has an identity the module is refused too.
func (w *watcher) OnX509ContextWatchError(err error) {
	select {
	case <-w.opened:
	default:
		return
	}
	if status.Code(err) == codes.PermissionDenied {
		w.close.Do(func() {
			w.at = sinceBoot()
			close(w.closed)
		})
	}
}

func sinceBoot() float64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic(err)
	}
	return float64(now.Nano()) / 1e9
}
