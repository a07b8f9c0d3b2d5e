// What an address takes of libnetwork's own allocator, in memory: a figure a line, as JSON.
//
// It is filled as Berth's is in crates/allocator/benches ("scattered"), and in the way that suits it best
// ("contiguous": all that is taken lies at the beginning). All but a /24 are filled at their beginning
// alone: its list of runs makes scattering take minutes to hours, as filling a /8 does.
package main

import (
	"encoding/json"
	"net"
	"os"
	"time"

	"github.com/docker/libnetwork/ipam"
)

const (
	claims  = 200
	rounds  = 10
	scatter = 1 << 8
)

type figure struct {
	Allocator         string  `json:"allocator"`
	Prefix            string  `json:"prefix"`
	Full              string  `json:"full"`
	Pattern           string  `json:"pattern"`
	ClaimNs           float64 `json:"claim_ns"`
	ClaimAndReleaseNs float64 `json:"claim_and_release_ns"`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func address(offset int) net.IP {
	return net.IPv4(10, byte(offset>>16), byte(offset>>8), byte(offset))
}

func measure(prefix string, size, perMille int, full, pattern string) figure {
	allocator, err := ipam.NewAllocator(nil, nil)
	must(err)
	pool, _, _, err := allocator.RequestPool("LocalDefault", prefix, "", nil, false)
	must(err)
	if pattern == "contiguous" {
		fill := size/1000*perMille + size%1000*perMille/1000
		if fill > size-4 {
			fill = size - 4 // two are nobody's, and one is to be free
		}
		for i := 0; i < fill; i++ {
			_, _, err := allocator.RequestAddress(pool, nil, nil)
			must(err)
		}
	} else {
		for offset := 1; offset < size-2; offset++ {
			if offset*perMille%1000 >= 1000-perMille {
				_, _, err := allocator.RequestAddress(pool, address(offset), nil)
				must(err)
			}
		}
	}
	var claimed, both time.Duration
	for round := 0; round < rounds; round++ {
		for i := 0; i < claims; i++ {
			begun := time.Now()
			given, _, err := allocator.RequestAddress(pool, nil, nil)
			claimed += time.Since(begun)
			must(err)
			must(allocator.ReleaseAddress(pool, given.IP))
		}
		begun := time.Now()
		for i := 0; i < claims; i++ {
			given, _, err := allocator.RequestAddress(pool, nil, nil)
			must(err)
			must(allocator.ReleaseAddress(pool, given.IP))
		}
		both += time.Since(begun)
	}
	each := func(spent time.Duration) float64 { return float64(spent.Nanoseconds()) / claims / rounds }
	return figure{"libnetwork", prefix, full, pattern, each(claimed), each(both)}
}

func main() {
	out := json.NewEncoder(os.Stdout)
	sizes := map[string]int{"10.0.0.0/24": 1 << 8, "10.0.0.0/16": 1 << 16, "10.0.0.0/12": 1 << 20}
	fills := map[string]int{"0.0 %": 0, "10.0 %": 100, "90.0 %": 900, "99.9 %": 999}
	for prefix, size := range sizes {
		for full, perMille := range fills {
			must(out.Encode(measure(prefix, size, perMille, full, "contiguous")))
			if size <= scatter {
				must(out.Encode(measure(prefix, size, perMille, full, "scattered")))
			}
		}
	}
}
