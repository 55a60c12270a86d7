package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What a connection has done is told at once: it is in the list of what is recorded, and its
// ladder and its way through the state diagram can be asked for, in both languages.
func TestLadderOfAConnection(t *testing.T) {
	s := newSite(t, "")
	stream := s.get("/events")
	s.fetch("a request")
	var found entry
	follow(t, stream.Body, func(e sse) bool {
		if e.name != "lives" {
			return false
		}
		var all []entry
		if err := json.Unmarshal([]byte(e.data), &all); err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Opened && l.Ended > 0 {
				found = l
			}
		}
		return found.Local != ""
	})
	ends := "local=" + url.QueryEscape(found.Local) + "&remote=" + url.QueryEscape(found.Remote)
	for _, want := range []struct{ path, text string }{
		{"/ladder?" + ends, "ESTABLISHED"}, {"/ladder?lang=zh&why=1&" + ends, "报文段"}, {"/states?" + ends, "passive close"}, {"/states?lang=zh&" + ends, "被动关闭"},
	} {
		answer := s.get(want.path)
		svg := body(t, answer)
		if answer.StatusCode != http.StatusOK || !strings.Contains(svg, want.text) || !strings.HasPrefix(svg, "<svg ") {
			t.Errorf("%s: %s %.300s", want.path, answer.Status, svg)
		}
		if styled.MatchString(svg) {
			t.Errorf("%s has styles or scripts of its own, which the policy forbids: %s", want.path, styled.FindString(svg))
		}
		if n := strings.Count(svg, `class="t-`) + strings.Count(svg, `class="hollow`); strings.HasPrefix(want.path, "/ladder") && n < 9 {
			t.Errorf("%s has %d arrows", want.path, n)
		}
	}
	for path, want := range map[string]int{"/ladder": 400, "/ladder?local=x&remote=y": 400, "/ladder?local=10.77.0.2:80&remote=10.9.9.9:9": 404} {
		if got := s.get(path).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

var styled = regexp.MustCompile(`<style|style=|<script|\son\w+=|javascript:`)

// A page of somebody else cannot look in by a name that leads here, whoever comes with a
// token may, and nobody can do anything but look.
func TestWhoMayLook(t *testing.T) {
	s := newSite(t, "")
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, name := range []string{"localhost", "localhost:9999", "127.0.0.1:1", "127.3.2.1", "[::1]:8080", "[::1]", "handfast"} {
		if got := s.get("/", host(name)).StatusCode; got != 200 {
			t.Errorf("%s: %d", name, got)
		}
	}
	for _, name := range []string{"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:80", "[2001:db8::1]:80", "localhost:80:80"} {
		for _, path := range []string{"/", "/events", "/ladder", "/app.js"} {
			if got := s.get(path, host(name)).StatusCode; got != 403 {
				t.Errorf("%s at %s: %d", path, name, got)
			}
		}
	}
	if got := s.get("/events", header("Sec-Fetch-Site", "cross-site")).StatusCode; got != 403 {
		t.Errorf("a stream for another page: %d", got)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		if got := s.get("/", func(r *http.Request) { r.Method = method }).StatusCode; got != 405 {
			t.Errorf("%s: %d", method, got)
		}
	}
	answer := s.get("/")
	if got := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self';") || strings.Contains(got, "unsafe") {
		t.Errorf("policy: %s", got)
	}
}

func TestToken(t *testing.T) {
	const token = "a long enough token"
	s := newSite(t, token)
	query := "/?" + url.Values{"token": {token}, "lang": {"zh"}}.Encode()
	for path, want := range map[string]int{"/": 401, "/events": 401, "/?token=wrong": 401, query: 303} {
		if got := s.get(path).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	answer := s.get(query)
	if got := answer.Header.Get("Location"); got != "/?lang=zh" {
		t.Errorf("goes on at %s", got)
	}
	cookie := answer.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("%v", cookie)
	}
	if got := s.get("/", func(r *http.Request) { r.AddCookie(cookie); r.Host = "any.example" }).StatusCode; got != 200 {
		t.Errorf("with the token: %d", got)
	}
}

// Only this machine may come, unless a token says otherwise.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "web.sock")
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ address, token, want string }{
		{"127.0.0.1:0", "", ""}, {"localhost:0", "", ""}, {"127.9.9.9:0", "", ""}, {"unix:" + path, "", ""},
		{"0.0.0.0:0", "", "would be open to other machines"}, {":0", "", "would be open to other machines"}, {"[::]:0", "", "open to other machines"},
		{"192.0.2.1:80", "", "use 127.0.0.1:80"}, {"example.com:80", "", "is no address"}, {"example.com:80", "a long enough token", "is no address"},
		{"8080", "", "is no address"}, {"127.0.0.1:", "", "is no address"}, {"unix:", "", "is no address"},
		{"0.0.0.0:0", "short", "at least 16"}, {"0.0.0.0:0", "a long enough token", ""}, {":0", "a long enough token", ""},
		{"unix:" + filepath.Join(dir, "file"), "", "address already in use"}, {"unix:" + path, "", "address already in use"},
	} {
		l, err := Listen(test.address, test.token)
		switch {
		case err == nil && test.want == "":
			t.Cleanup(func() { l.Close() })
		case err == nil:
			l.Close()
			fallthrough
		case test.want == "" || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s %s: %v, want %q", test.address, test.token, err, test.want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A viewer that comes again goes on where it was, and is told how much went by.
func TestResume(t *testing.T) {
	s := newSite(t, "")
	s.fetch("one")
	var last string
	opened := 0
	follow(t, s.get("/events").Body, func(e sse) bool {
		if e.name == "news" && strings.Contains(e.data, `"opened"`) {
			opened++
			last = e.id
		}
		return opened == 1
	})
	s.fetch("two")
	seen := func(change ...func(*http.Request)) (n int, skipped string) {
		path := "/events"
		if len(change) == 0 {
			path += "?since=" + last
		}
		follow(t, s.get(path, change...).Body, func(e sse) bool {
			switch {
			case e.name == "skipped":
				skipped = e.data
			case e.name == "news" && strings.Contains(e.data, `"opened"`):
				n++
			}
			return e.name == "lives" && n > 0
		})
		return n, skipped
	}
	header := func(id string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Last-Event-ID", id) }
	}
	if n, _ := seen(header(last)); n != 1 {
		t.Errorf("%d opened after the first", n)
	}
	if n, _ := seen(); n != 1 {
		t.Errorf("%d opened after the first, by the address", n)
	}
	for _, id := range []string{"", "other.0.0", "x", s.hub.epoch + ".99999999.99999999", s.hub.epoch + ".-1.-1", strings.Repeat("9", 5000)} {
		if n, _ := seen(header(id)); n != 2 {
			t.Errorf("id %.20q: %d opened", id, n)
		}
	}
	s.hub.tell(func() {
		for range keptNews + 100 {
			s.hub.news.add(newsOf(news{Kind: "opened", Remote: "x"}))
		}
	})
	if n, skipped := seen(header(last)); n != keptNews || skipped == "" || skipped == "0" {
		t.Errorf("%d opened, %q skipped", n, skipped)
	}
}

// Rings give each message its number, say what is gone, and never hold more than their size.
func TestRing(t *testing.T) {
	r := newRing(3)
	for n := range uint64(10) {
		all, skipped := r.since(0)
		if want := min(n, 3); uint64(len(all)) != want || skipped != n-want {
			t.Errorf("after %d: %d kept, %d skipped", n, len(all), skipped)
		}
		if n > 0 && string(all[len(all)-1].data) != fmt.Sprint(n-1) {
			t.Errorf("after %d the newest is %s", n, all[len(all)-1].data)
		}
		if all, skipped := r.since(n); len(all) != 0 || skipped != 0 {
			t.Errorf("after %d: %d new", n, len(all))
		}
		r.add(message{data: fmt.Append(nil, n)})
	}
	if all, skipped := r.since(99); len(all) != 3 || skipped != 7 {
		t.Errorf("beyond the end: %d, %d skipped", len(all), skipped)
	}
}

// A viewer that does not read is nobody's burden: nothing is queued for it, others hear all,
// and the host goes on. There is a bound to how many may look.
func TestStalledViewer(t *testing.T) {
	s := newSite(t, "")
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n") // and never reads
	reader := s.get("/events")
	for range 5 {
		for range keptNews {
			s.hub.tell(func() { s.hub.news.add(newsOf(news{Kind: "verdict", Text: text{strings.Repeat("x", 200)}})) })
		}
		s.fetch("still served")
	}
	if len(s.hub.news.kept) != keptNews {
		t.Errorf("%d news are kept", len(s.hub.news.kept))
	}
	opened := 0
	follow(t, reader.Body, func(e sse) bool {
		if e.name == "news" && strings.Contains(e.data, `"opened"`) {
			opened++
		}
		return opened > 0
	})
	var streams []*http.Response
	for range maxViewers {
		streams = append(streams, s.get("/events"))
	}
	if got := streams[maxViewers-1].StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("one viewer more than may: %d", got)
	}
}

// However many connections there are, a list has its bound and counts the rest.
func TestListBound(t *testing.T) {
	s := newSite(t, "")
	const many = 10_000
	r := inspect.Collect(s.host, "serve", 0)
	one := r.Rows[0]
	one.State, one.Listen = inspect.State(tcp.Established), nil
	r.Rows = nil
	for i := range many {
		one.Remote = inspect.Endpoint{Addr: theirs.Addr(), Port: uint16(i + 1)}
		one.Details = &inspect.Details{BytesAcked: uint64(i)}
		r.Rows = append(r.Rows, one)
	}
	b := (&beat{Beat: pulse.New().Look(time.Now(), []pulse.Host{{Name: "serve", Report: r}})}).board(pulse.ByRate, false)
	if len(b.Rows) != maxRows || b.More != b.Open-maxRows || b.Open != many {
		t.Errorf("%d rows, %d more, %d open", len(b.Rows), b.More, b.Open)
	}
}

// The files of the page ask nobody else for anything, and there is no code or style in the
// markup.
func TestPageIsWhole(t *testing.T) {
	s := newSite(t, "")
	page := body(t, s.get("/"))
	if m := styled.FindAllString(strings.ReplaceAll(page, "<script src=", ""), -1); len(m) > 0 {
		t.Errorf("in the markup: %q", m)
	}
	if m := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(page); m != "" {
		t.Errorf("a script in the markup: %s", m)
	}
	looked := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		answer := s.get("/" + m[1])
		text := body(t, answer)
		looked[m[1]] = true
		if answer.StatusCode != 200 || regexp.MustCompile(`https?://[^\s"')]+`).MatchString(strings.ReplaceAll(text, "http://www.w3.org/", "")) && m[1] != "uPlot.js" {
			t.Errorf("%s: %s", m[1], answer.Status)
		}
	}
	if len(looked) < 8 {
		t.Errorf("only %d files", len(looked))
	}
	for _, path := range []string{"/uPlot.LICENSE.txt", "/words.js", "/charts.js", "/list.js", "/picture.js", "/dom.js"} {
		if got := s.get(path).StatusCode; got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
	if got := s.get("/../server.go").StatusCode; got == 200 {
		t.Error("a file that is none of the page's")
	}
}

// The page ends its streams when the command ends.
func TestClose(t *testing.T) {
	s := newSite(t, "")
	stream := s.get("/events")
	s.Server.Close()
	if _, err := io.Copy(io.Discard, stream.Body); err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
		t.Error("it still answers")
	}
}
