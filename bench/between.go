package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What carries a network namespace's traffic to the outside is measured by a program of
// its own, forwarders: it is several processes in several namespaces.

// The kinds of it.
const (
	runBulk     kind = "runbulk"     // one way, as fast as it goes
	runConnect  kind = "runconnect"  // connect, one byte each way, close; 16 at a time
	runPingPong kind = "runpingpong" // 64 bytes back and forth on one connection
)

// betweenPeers are what carries. The program that each needs is in between.
func betweenPeers() []*peer {
	return []*peer{
		{name: "run", between: "go", module: "github.com/handfast-tcp/handfast", what: "handfast run: our TCP ends the connections, sockets of the kernel carry them on"},
		{name: "pasta", between: "pasta", what: "of passt, as the system has it"},
		{name: "slirp4netns", between: "slirp4netns", what: "as the system has it"},
		{name: "veth", between: "ip", what: "a pair of devices and the kernel's routing, which needs root: the floor"},
	}
}

// betweenRows are as forwarders has them.
func betweenRows() (all []row) {
	names := []string{"run", "pasta", "slirp4netns", "veth"}
	add := func(name, title string, k kind, theirs string) {
		all = append(all, row{name: name, title: title, kind: k, theirs: theirs, peers: names})
	}
	for _, mtu := range []string{"1500", "65520"} {
		for _, way := range []struct{ name, title string }{{"up", "a command in a namespace sends"}, {"down", "a command in a namespace receives"}} {
			for _, streams := range []string{"1", "8"} {
				name, n := "run-"+way.name+"-"+mtu, ", 1 stream"
				if streams != "1" {
					name, n = name+"-"+streams, ", "+streams+" streams"
				}
				add(name, way.title+", MTU "+mtu+n, runBulk, mtu+" "+way.name+" "+streams)
			}
		}
	}
	add("run-crr", "connect, 1 byte each way, close; out of a namespace", runConnect, "connect")
	add("run-pingpong", "ping-pong of 64 B, out of a namespace", runPingPong, "ping-pong")
	return all
}

// isBetween reports whether forwarders measures a kind.
func (k kind) isBetween() bool { return k == runBulk || k == runConnect || k == runPingPong }

// measureBetween runs forwarders once. Its processes' time is all that counts.
func measureBetween(r row, p *peer, window time.Duration) (result, error) {
	if os.Geteuid() != 0 {
		return result{Skipped: "it needs root"}, nil
	}
	if _, err := exec.LookPath(p.between); err != nil {
		return result{Skipped: err.Error()}, nil
	}
	room, err := os.MkdirTemp("", "handfast-bench")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(room)
	if err := buildBetween(room); err != nil {
		return result{}, err
	}
	theirs := p.name
	if theirs == "run" {
		theirs = "handfast"
	}
	c := exec.Command(filepath.Join(room, "forwarders"), "-json", "-handfast", filepath.Join(room, "handfast"), "-rounds", "1",
		"-rows", r.theirs, "-peers", theirs, "-seconds", strconv.FormatFloat(window.Seconds(), 'g', -1, 64))
	var told strings.Builder
	c.Stderr = &told
	begun, busy := time.Now(), machineBusy()
	text, err := c.Output()
	if err != nil {
		return result{}, fmt.Errorf("forwarders: %w: %s", err, told.String())
	}
	var raw struct{ Amount, Seconds, P50, CPU, Between float64 }
	if err := json.Unmarshal(text, &raw); err != nil {
		return result{}, errors.New("forwarders: " + strings.TrimSpace(told.String()))
	}
	res := result{Seconds: raw.Seconds, CPU: raw.CPU, Between: raw.Between, P50: raw.P50}
	res.Others = max(0, (machineBusy()-busy).Seconds()-raw.CPU) / time.Since(begun).Seconds()
	if r.kind == runBulk {
		res.Bytes = int64(raw.Amount)
	} else {
		res.Ops = int(raw.Amount)
	}
	return res, nil
}

// buildBetween builds forwarders and the command into a directory, which takes no time
// when they were built before.
func buildBetween(room string) error {
	dir, err := programDir(".")
	if err != nil {
		return err
	}
	for _, p := range []string{"../forwarders", "../../cmd/handfast"} {
		if _, err := goBuild(filepath.Join(dir, p), filepath.Join(room, filepath.Base(p)), "GOWORK="); err != nil {
			return err
		}
	}
	return nil
}
