package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/story"
)

// A page of any scenario, in both languages and all themes, is whole in itself:
// nothing comes from elsewhere, every name is unique, everything that can be
// touched says what it does, and the script finds what it asks for.
func TestScenarioPages(t *testing.T) {
	for i, s := range lab.Scenarios() {
		for j, lang := range []string{"en", "zh"} {
			o := labOptions{lang: language(lang), theme: themes[(i+j)%len(themes)]}
			r := resultOf(t, s.Name, lab.Options{})
			checkPage(t, s.Name+", "+lang, o.page(r), 1)
		}
	}
}

func checkPage(t *testing.T, name string, p story.Page, runs int) *pageReader {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r := &pageReader{name: name, t: t, ids: map[string]bool{}, tags: map[string]int{}, wanted: map[string]bool{}}
	r.read(root, "")
	for id := range r.wanted {
		if !r.ids[id] {
			t.Errorf("%s: nothing is called %s", name, id)
		}
	}
	for tag, want := range map[string]int{"html": 1, "script": 1, "h1": 1, "main": 1, "section": runs, "svg": runs, "ol": runs} {
		if r.tags[tag] != want {
			t.Errorf("%s: %d elements %s, want %d", name, r.tags[tag], tag, want)
		}
	}
	if r.tags["li"] < 5*runs || r.arrivals == 0 || r.drawn == 0 {
		t.Errorf("%s: %d moments, %d arrivals, %d parts of pictures", name, r.tags["li"], r.arrivals, r.drawn)
	}
	return r
}

// pageReader looks at each element of a page.
type pageReader struct {
	t               *testing.T
	name, script    string
	ids, wanted     map[string]bool
	tags            map[string]int
	arrivals, drawn int
}

func (r *pageReader) read(n *html.Node, label string) {
	if n.Type == html.ElementNode {
		r.tags[n.Data]++
		r.element(n)
		if n.Data == "label" {
			label = text(n)
		}
		if (n.Data == "button" || n.Data == "input" || n.Data == "meter") && strings.TrimSpace(label+text(n)+attr(n, "aria-label")) == "" {
			r.t.Errorf("%s: a %s without a name", r.name, n.Data)
		}
	}
	if n.Type == html.ErrorNode {
		r.t.Errorf("%s: %v", r.name, n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		r.read(c, label)
	}
}

// element checks one element's attributes.
func (r *pageReader) element(n *html.Node) {
	switch n.Data {
	case "html":
		if want := map[bool]string{true: "zh-Hans", false: "en"}[strings.HasSuffix(r.name, "zh")]; attr(n, "lang") != want {
			r.t.Errorf("%s: the language is %q", r.name, attr(n, "lang"))
		}
	case "script", "style":
		r.script += text(n)
		for _, foreign := range []string{"http:", "https:", "url(", "import", "fetch(", "//"} {
			if strings.Contains(strings.ReplaceAll(text(n), "; // page.html#7", ""), foreign) {
				r.t.Errorf("%s: the %s has %q", r.name, n.Data, foreign)
			}
		}
	case "link", "img", "iframe", "object", "embed", "base", "a", "image", "form":
		r.t.Errorf("%s: an element %s", r.name, n.Data)
	}
	for _, a := range n.Attr {
		switch {
		case a.Key == "id":
			if r.ids[a.Val] {
				r.t.Errorf("%s: %s is there twice", r.name, a.Val)
			}
			r.ids[a.Val] = true
		case a.Key == "src", strings.HasPrefix(a.Key, "on"), a.Key == "style":
			r.t.Errorf("%s: %s has %s=%q", r.name, n.Data, a.Key, a.Val)
		case a.Key == "href", a.Key == "clip-path":
			target := strings.TrimSuffix(strings.TrimPrefix(a.Val, "url("), ")")
			if !strings.HasPrefix(target, "#") {
				r.t.Errorf("%s: %s leads to %q", r.name, n.Data, a.Val)
			}
			r.wanted[target[1:]] = true
		case a.Key == "data-arrival":
			r.arrivals++
		case a.Key == "data-i":
			r.drawn++
		}
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) (s string) {
	if n.Type == html.TextNode {
		return n.Data
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		s += text(c)
	}
	return s
}

// What a scenario says stays text, whatever it says.
func TestPageEscapes(t *testing.T) {
	const evil = `"'></script></title></style><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{.}}`
	s, err := lab.Load("evil.txt", strings.NewReader(fmt.Sprintf(`title: %[1]s
title-zh: %[1]s
summary: %[1]s
host client
host server
server:
    listen 80
    accept
    read
client:
    note %[2]q
    connect server 80
    write %[2]q
    close
limit 5s
`, evil, evil)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(lab.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	o := labOptions{lang: "en", theme: "auto"}
	found := checkPage(t, "evil", o.page(r), 1)
	if found.tags["img"] > 0 || strings.Contains(found.script, "alert") {
		t.Error("the page does what the scenario says")
	}
	p := o.page(r)
	p.Runs = append(p.Runs, p.Runs[0])
	p.Differences = []story.Difference{{Name: evil, Values: []string{evil, evil}}}
	if found := checkPage(t, "evil twins", p, 2); strings.Contains(found.script, "alert") {
		t.Error("the page does what the difference says")
	}
}

// Two runs stand on one page, and what tells them apart above them.
func TestPageOfTwo(t *testing.T) {
	for _, lang := range []string{"en", "zh"} {
		o := labOptions{lang: language(lang), theme: "auto", format: "html"}
		a, b := resultOf(t, "syn-flood", lab.Options{}), resultOf(t, "syn-flood-cookies", lab.Options{})
		p := o.page(a)
		p.Runs = append(p.Runs, o.pageRun(b, "cookies"))
		p.Differences = story.Compare(o.language(), &a.Run, &b.Run)
		if found := checkPage(t, "two, "+lang, p, 2); found.tags["table"] != 3 || len(p.Differences) < 8 {
			t.Errorf("%d tables, %d differences", found.tags["table"], len(p.Differences))
		}
	}
}

// However arrows crowd, what an ACK says of a hole stays on it.
func TestPicturesKeepSACK(t *testing.T) {
	for _, s := range lab.Scenarios() {
		o := labOptions{}
		r := resultOf(t, s.Name, o.Options)
		v := story.Tell(&r.Run, o.tell())
		want := 0
		for i := range v.Steps {
			if slices.Contains(v.Steps[i].Fields, "<sack") {
				want++
			}
		}
		if got := strings.Count(string(svgOf(t, o.picture(r, v), v.Steps)), "&lt;sack "); got != want {
			t.Errorf("%s: %d of %d ACKs show their SACK blocks", s.Name, got, want)
		}
	}
}
