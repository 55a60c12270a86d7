package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// served is a directory with a file outside of it that nobody may reach.
func served(t *testing.T, upload bool) (dir string, s *fileServer) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "public")
	for name, text := range map[string]string{"secret": "secret", "public/a.txt": "0123456789", "public/sub/b.txt": "b"} {
		name = filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "way-out")); err != nil {
		t.Fatal(err)
	}
	s, err := newFileServer(dir, upload)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return dir, s
}

func ask(s *fileServer, method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://x/", body)
	r.URL.Path = target
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestGet(t *testing.T) {
	_, s := served(t, false)
	for _, c := range []struct {
		method, target string
		code           int
		body           string
	}{
		{"GET", "/a.txt", 200, "0123456789"},
		{"HEAD", "/a.txt", 200, ""},
		{"GET", "/sub/b.txt", 200, "b"},
		{"GET", "/nothing", 404, "404 page not found\n"},
		{"PUT", "/a.txt", 405, "this server takes GET, HEAD only\n"},
		{"DELETE", "/a.txt", 405, "this server takes GET, HEAD only\n"},
	} {
		if w := ask(s, c.method, c.target, nil); w.Code != c.code || w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q", c.method, c.target, w.Code, w.Body)
		}
	}
	for _, target := range []string{"/../secret", "/way-out", "/sub/../../secret"} {
		if w := ask(s, "GET", target, nil); w.Code < 400 || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("GET %s: %d %q", target, w.Code, w.Body)
		}
	}
	if w := ask(s, "GET", "/a.txt", nil, "Range", "bytes=3-5"); w.Code != 206 || w.Body.String() != "345" {
		t.Errorf("range: %d %q", w.Code, w.Body)
	}
}

func TestPut(t *testing.T) {
	dir, s := served(t, true)
	for _, c := range []struct {
		target string
		code   int
	}{
		{"/new", http.StatusCreated},
		{"/a.txt", http.StatusNoContent},
		{"/sub/c", http.StatusCreated},
		{"/none/c", http.StatusConflict},
		{"/a.txt/c", http.StatusConflict},
		{"/sub", http.StatusConflict},
		{"/sub/", http.StatusBadRequest},
		{"/", http.StatusBadRequest},
		{"/../up", http.StatusCreated}, // is /up
		{"/way-out", http.StatusCreated},
	} {
		if w := ask(s, "PUT", c.target, strings.NewReader("text")); w.Code != c.code {
			t.Errorf("PUT %s: %d %s", c.target, w.Code, w.Body)
		}
	}
	for _, name := range []string{"new", "a.txt", "sub/c", "up", "way-out"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != "text" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "../secret")); string(b) != "secret" {
		t.Errorf("a link led out: %q", b)
	}
}

// An upload that breaks off leaves the old file, and nothing else.
func TestPutBroken(t *testing.T) {
	dir, s := served(t, true)
	body := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if w := ask(s, "PUT", "/a.txt", body); w.Code != 500 {
		t.Errorf("code %d", w.Code)
	}
	names, err := os.ReadDir(dir)
	if b, _ := os.ReadFile(filepath.Join(dir, "a.txt")); err != nil || len(names) != 3 || string(b) != "0123456789" {
		t.Errorf("%v, %v, %q", names, err, b)
	}
}

func TestNoDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := newFileServer(missing, false); err == nil || !strings.Contains(err.Error(), "there is no directory "+missing) {
		t.Error(err)
	}
}
