// SPDX-License-Identifier: Apache-2.0

// The caller is a module that calls the SPIFFE Workload API through go-spiffe as it is told by HTTP, and says how many
// calls it made and how long they took. It runs unchanged beside Keystead and beside SPIRE.
//
//	GET /first                                  how long the first identity took, from the first line of main
//	GET /run?kind=KIND&callers=N&seconds=S      KIND: open, connection, token-cached, token-new, iotedge-sign
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

var started = time.Now()
var first = make(chan struct{})
var firstMs float64

// Audiences are new in the whole life of the program.
var audiences atomic.Int64

type result struct {
	Calls     int      `json:"calls"`
	Seconds   float64  `json:"seconds"`
	PerSecond float64  `json:"perSecond"`
	P50       float64  `json:"p50"`
	P99       float64  `json:"p99"`
	Max       float64  `json:"max"`
	Errors    []string `json:"errors"`
}

func main() {
	go fetchFirst()
	http.HandleFunc("/first", func(w http.ResponseWriter, _ *http.Request) {
		<-first
		_ = json.NewEncoder(w).Encode(map[string]float64{"ms": firstMs})
	})
	http.HandleFunc("/run", func(w http.ResponseWriter, r *http.Request) {
		callers, _ := strconv.Atoi(r.FormValue("callers"))
		seconds, _ := strconv.ParseFloat(r.FormValue("seconds"), 64)
		rate, _ := strconv.Atoi(r.FormValue("rate"))
		_ = json.NewEncoder(w).Encode(run(r.FormValue("kind"), callers, rate, time.Duration(seconds*float64(time.Second))))
	})
	fmt.Println(http.ListenAndServe(":8080", nil))
	os.Exit(1)
}

// As a module would: it asks until it is given one.
func fetchFirst() {
	for {
		_, err := workloadapi.FetchX509SVID(context.Background())
		if err == nil {
			break
		}
		fmt.Printf("first-error %v\n", err)
		time.Sleep(5 * time.Millisecond)
	}
	firstMs = float64(time.Since(started).Microseconds()) / 1000
	fmt.Printf("first-ms %.3f\n", firstMs)
	close(first)
}

// One call of a kind, with an open client where the kind has one.
func callOf(kind string) (func(context.Context) error, func(), error) {
	if kind == "connection" {
		return func(ctx context.Context) error { _, err := workloadapi.FetchX509SVID(ctx); return err }, func() {}, nil
	}
	if kind == "iotedge-sign" {
		return signOverHTTP()
	}
	client, err := workloadapi.New(context.Background())
	if err != nil {
		return nil, nil, err
	}
	call := func(ctx context.Context) error { _, err := client.FetchX509SVID(ctx); return err }
	switch kind {
	case "token-cached":
		call = func(ctx context.Context) error {
			_, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "cached"})
			return err
		}
	case "token-new":
		call = func(ctx context.Context) error {
			audience := fmt.Sprintf("new-%d-%d", started.UnixNano(), audiences.Add(1))
			_, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
			return err
		}
	}
	return call, func() { _ = client.Close() }, nil
}

// As the SDKs for IoT Edge do: the module's environment says where and who, and the connection stays open.
func signOverHTTP() (func(context.Context) error, func(), error) {
	socket := strings.TrimPrefix(os.Getenv("IOTEDGE_WORKLOADURI"), "unix://")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	path := fmt.Sprintf("http://localhost/modules/%s/genid/%s/sign?api-version=2018-06-28",
		url.PathEscape(os.Getenv("IOTEDGE_MODULEID")), url.PathEscape(os.Getenv("IOTEDGE_MODULEGENERATIONID")))
	call := func(ctx context.Context) error {
		body := `{"keyId":"primary","algo":"HMACSHA256","data":"aHViJTJGZGV2aWNlcwoxNzk1MzIyNjc1"}`
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var answer struct{ Digest, Message string }
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			return err
		}
		if answer.Digest == "" {
			return fmt.Errorf("%s: %s", response.Status, answer.Message)
		}
		return nil
	}
	return call, client.CloseIdleConnections, nil
}

// Each caller calls one after another, as fast as it goes or, where a rate is given, that often a second.
func run(kind string, callers, rate int, duration time.Duration) result {
	var mutex sync.Mutex
	var group sync.WaitGroup
	times := []float64{}
	errors := map[string]bool{}
	begun := time.Now()
	end := begun.Add(duration)
	for range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			own, failures := callUntil(end, kind, rate)
			mutex.Lock()
			defer mutex.Unlock()
			times = append(times, own...)
			for _, failure := range failures {
				errors[failure] = true
			}
		}()
	}
	group.Wait()
	return summary(times, errors, time.Since(begun).Seconds())
}

func callUntil(end time.Time, kind string, rate int) (times []float64, failures []string) {
	call, done, err := callOf(kind)
	if err != nil {
		return nil, []string{err.Error()}
	}
	defer done()
	for next := time.Now(); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		begun := time.Now()
		if err := call(ctx); err != nil {
			failures = append(failures, fmt.Sprintf("%s %v", begun.Format("15:04:05.000"), err))
		} else {
			times = append(times, float64(time.Since(begun).Microseconds())/1000)
		}
		cancel()
		if rate > 0 {
			next = next.Add(time.Second / time.Duration(rate))
			time.Sleep(time.Until(next))
		}
	}
	return times, failures
}

func summary(times []float64, errors map[string]bool, seconds float64) result {
	sort.Float64s(times)
	made := result{Calls: len(times), Seconds: seconds, PerSecond: float64(len(times)) / seconds, Errors: []string{}}
	for failure := range errors {
		made.Errors = append(made.Errors, failure)
	}
	sort.Strings(made.Errors)
	if len(times) > 0 {
		made.P50, made.P99, made.Max = times[len(times)/2], times[len(times)*99/100], times[len(times)-1]
	}
	return made
}
