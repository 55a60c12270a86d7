package handfast_test

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// extremes are what every number is tried with, beside the ends of its range.
var extremes = []int64{math.MinInt64, math.MinInt32, -1, 0, 1, 2, math.MaxUint16, math.MaxInt32, 1 << 31, 1 << 32, math.MaxInt64}

// ranges holds, for the numbers of Config, the ends of what New takes. A new
// field needs a line here, or in noNumber. Those of TCP are in the tests of tcp.
var ranges = map[string][2]int64{
	"Shards": {1, handfast.MaxShards}, "Backlog": {1, handfast.MaxBacklog}, "HalfOpen": {1, tcp.MaxEntries},
	"BufferMemory": {tcp.MinBuffer, tcp.MaxBufferMemory}, "Memory": {4 << 20, tcp.MaxBufferMemory},
	"FirstPort": {1, math.MaxUint16}, "LastPort": {handfast.DefaultFirstPort, math.MaxUint16},
}

var noNumber = map[string]bool{"NoKeepAlive": true, "CookieKeys": true, "Resolver": true, "NameServers": true, "Trace": true, "Logger": true, "Account": true, "Events": true}

// setNumber sets a field, and reports false where the value does not fit.
func setNumber(f reflect.Value, v int64) bool {
	switch {
	case f.CanInt() && !f.OverflowInt(v):
		f.SetInt(v)
	case f.CanUint() && v >= 0 && !f.OverflowUint(uint64(v)):
		f.SetUint(uint64(v))
	default:
		return false
	}
	return true
}

// Every number of Config, and of the TCP in it, is refused in a sentence that
// names it, or the host works.
func TestConfigRanges(t *testing.T) {
	for i := range reflect.TypeFor[handfast.Config]().NumField() {
		name := reflect.TypeFor[handfast.Config]().Field(i).Name
		if name == "TCP" || noNumber[name] {
			continue
		}
		ends, ok := ranges[name]
		if !ok {
			t.Errorf("Config.%s has no range in this test", name)
			continue
		}
		for _, v := range append(extremes, ends[0]-1, ends[0]+1, ends[1]-1, ends[1], ends[1]+1) {
			var cfg handfast.Config
			if !setNumber(reflect.ValueOf(&cfg).Elem().Field(i), v) {
				continue
			}
			inside := v == 0 || v >= ends[0] && v <= ends[1]
			tryConfig(t, fmt.Sprintf("%s %d", name, v), cfg, name, inside)
		}
	}
}

func TestTCPConfigWorksOrIsRefused(t *testing.T) {
	for i := range reflect.TypeFor[tcp.Config]().NumField() {
		field := reflect.TypeFor[tcp.Config]().Field(i)
		for _, v := range append(extremes, tcp.MinBuffer, tcp.MaxBuffer) {
			var cfg handfast.Config
			if !setNumber(reflect.ValueOf(&cfg.TCP).Elem().Field(i), v) {
				break // no number
			}
			tryConfig(t, fmt.Sprintf("TCP.%s %d", field.Name, v), cfg, field.Name, (*tcp.Config).Check(&cfg.TCP) == nil)
		}
	}
}

func tryConfig(t *testing.T, name string, cfg handfast.Config, field string, taken bool) {
	t.Run(name, func(t *testing.T) {
		h, err := handfast.New(cfg)
		switch {
		case (err == nil) != taken:
			t.Fatalf("New: %v", err)
		case err != nil:
			if !strings.Contains(err.Error(), "Config."+field+" is ") {
				t.Errorf("%q does not name the field", err)
			}
			return
		}
		h.Close()
		transferBothFamilies(t, cfg, pipe.Options{})
	})
}

// transferBothFamilies sends 100 kB there and back, in virtual time: over IPv4,
// and over IPv6 where the link can have it.
func transferBothFamilies(t *testing.T, cfg handfast.Config, o pipe.Options) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(o)
		servers := []string{serverIP}
		if a.Attributes().MTU >= handfast.MinIPv6MTU {
			servers = append(servers, "fd00::2")
		}
		from, to := newTestHost(t, cfg, a, clientIP+"/24", "fd00::1/64"), newTestHost(t, cfg, b, serverIP+"/24", "fd00::2/64")
		l := listen(t, to, ":80")
		go func() {
			for {
				c, err := l.AcceptTCP()
				if err != nil {
					return
				}
				go func() {
					io.Copy(c, c)
					c.Close()
				}()
			}
		}()
		time.Sleep(5 * time.Second) // duplicate address detection
		for _, s := range servers {
			if err := echoThere(from, netip.MustParseAddr(s), 100_000); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
		from.Close()
		to.Close()
	})
}

func echoThere(from *handfast.Host, to netip.Addr, n int) error {
	c, err := from.Dial("tcp", netip.AddrPortFrom(to, 80).String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Hour))
	failed := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, n))
		if err == nil {
			err = c.(*handfast.TCPConn).CloseWrite()
		}
		failed <- err
	}()
	got, err := io.Copy(io.Discard, c)
	if err == nil && got != int64(n) {
		err = fmt.Errorf("%d of %d bytes came back", got, n)
	}
	if w := <-failed; w != nil {
		return w
	}
	return err
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]handfast.Config{
		"negative shards": {Shards: -1},
		"many shards":     {Shards: handfast.MaxShards + 1},
		"no ports":        {FirstPort: 5000, LastPort: 4000},
	} {
		if _, err := handfast.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
