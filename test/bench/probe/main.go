// SPDX-License-Identifier: Apache-2.0

// The probe is a module that does one thing: at its first instruction it looks for its certificate, and says whether
// it was there and, if not, how long it took. Static and small, so that its own start does not count.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	start := time.Now()
	looks := 0
	for {
		certificate, err := os.ReadFile("/var/run/keystead/tls.crt")
		looks++
		if err == nil && len(certificate) > 0 {
			break
		}
		time.Sleep(500 * time.Microsecond)
	}
	fmt.Printf("probe first=%t ms=%.3f\n", looks == 1, float64(time.Since(start).Microseconds())/1000)
	time.Sleep(24 * time.Hour)
}
