package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kafka"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/natstest"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/verdicts"
	"github.com/handfast-tcp/handfast/link"
)

// heardVerdicts are those of all hosts of a NATS server, by process.
func heardVerdicts(t *testing.T) (place string, heard <-chan verdicts.Message) {
	t.Helper()
	s := natstest.Start(t, &server.Options{Port: -1})
	c, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	all := make(chan verdicts.Message, 1024)
	_, err = c.Subscribe("fleet.verdicts", func(m *nats.Msg) {
		var v verdicts.Message
		if err := json.Unmarshal(m.Data, &v); err != nil {
			t.Errorf("%s: %v", m.Data, err)
		}
		select {
		case all <- v:
		default:
		}
	})
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.ClientURL() + "/fleet.verdicts", all
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Two guards, of which one is flooded, say so on a subject of NATS, each by itself; Prometheus
// scrapes both, and its rules sum them. A topic of Kafka has a record of the flood, and not one of each SYN.
func TestFleetIsWatched(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus (Debian: prometheus) is not here")
	}
	place, heard := heardVerdicts(t)
	brokers, err := kfake.NewCluster(kfake.SeedTopics(1, "flows"))
	if err != nil {
		t.Fatal(err)
	}
	defer brokers.Close()
	var hosts []*process
	var targets []string
	for i := range 2 {
		targets = append(targets, freeAddress(t))
		p, at := guarded(t, 7+i, "--listen", fmt.Sprintf("10.78.%d.2:80", 7+i), "--to", backend(t, "b", false), "--proxy-protocol", "v1",
			"--half-open", "256", "--metrics", targets[i], "--verdicts", place, "--kafka", "kafka://"+strings.Join(brokers.ListenAddrs(), ",")+"/flows")
		hosts = append(hosts, p)
		c, err := net.Dial("tcp", at+":80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	address, ended := startPrometheus(t, prometheus, targets)
	stop := floodDevice(t, "hfg7", link.Attributes{}, netip.MustParseAddrPort("10.78.7.2:80"), 0)
	defer func() { stop() }()
	for flooded, quiet := false, false; !flooded || !quiet; {
		select {
		case v := <-heard:
			flooded = flooded || v.PID == hosts[0].Process.Pid && v.Flood.Level == "flood"
			quiet = quiet || v.PID == hosts[1].Process.Pid && v.Flood.Level == "quiet"
			if v.PID == hosts[1].Process.Pid && v.Flood.Level == "flood" {
				t.Errorf("a host that nobody floods says %+v", v)
			}
		case <-time.After(untilLimit):
			t.Fatalf("flooded: %v, quiet: %v", flooded, quiet)
		}
	}
	for query, want := range map[string]string{
		`sum(up{job="handfast"})`:                                                   "2",
		`sum(handfast_connections{state="established"})`:                            "2",
		`handfast_listen_handshakes_total{instance="` + targets[1] + `",port="80"}`: "1",
		`sum(handfast_guard_backend_up)`:                                            "2",
		`handfast:flooded_hosts:sum{job="handfast"}`:                                "1",
		`handfast:levelled_hosts:sum{job="handfast",level="quiet"}`:                 "1",
		`count(handfast_connection_duration_seconds_bucket) > bool 1`:               "1",
		`min(handfast_verdicts_published_total) > bool 0`:                           "1",
		`max(handfast_flow_records_sent_total{to="kafka"}) > bool 0`:                "1",
		`max(handfast_flow_records_lost_total{to="kafka"})`:                         "0",
		`ALERTS{alertname="HandfastFleetFlood"}`:                                    "1",
	} {
		for end := time.Now().Add(untilLimit); ; time.Sleep(50 * time.Millisecond) {
			got := asked(t, address, query)
			if got == want {
				break
			}
			select {
			case <-ended:
				t.Fatal("prometheus has ended")
			default:
			}
			if time.Now().After(end) {
				t.Errorf("%s is %q, want %q", query, got, want)
				break
			}
		}
	}
	checkFloodRecord(t, brokers.ListenAddrs())
}

// checkFloodRecord checks that the first record of a topic is that of a flood of port 80.
func checkFloodRecord(t *testing.T, brokers []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("flows"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, give := context.WithTimeout(t.Context(), untilLimit)
	defer give()
	got := client.PollFetches(ctx)
	if err := got.Err(); err != nil {
		t.Fatal(err)
	}
	var m kafka.Message
	if err := json.Unmarshal(got.Records()[0].Value, &m); err != nil {
		t.Fatal(err)
	}
	if m.Name != "guard" || m.Source != "0.0.0.0" || m.DestinationPort != 80 || m.Forward.Packets < 256 || m.Forward.Flags != "S" || m.EndReason != "active timeout" {
		t.Errorf("%+v", m)
	}
}

// startPrometheus starts one that scrapes targets and evaluates our rules, and returns where it answers.
func startPrometheus(t *testing.T, path string, targets []string) (address string, ended <-chan struct{}) {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs("../../docs/monitoring/handfast.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	list, _ := json.Marshal(targets)
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global:\n  evaluation_interval: 1s\nrule_files: [%q]\nscrape_configs:\n  - job_name: handfast\n    scrape_interval: 1s\n    static_configs:\n      - targets: %s\n", rules, list)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	address = freeAddress(t)
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		cmd.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if <-over; t.Failed() {
			t.Log(said.String())
		}
	})
	return address, over
}

// asked returns the value of a query, and "" without any.
func asked(t *testing.T, address, query string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return "" // it has not started yet
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Data.Result) != 1 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}
