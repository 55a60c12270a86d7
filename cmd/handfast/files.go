package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// fileServer serves the files below a directory, and stores some when it may.
// os.Root keeps every path below the directory, symbolic links included.
type fileServer struct {
	root   *os.Root
	get    http.Handler
	upload bool
}

func newFileServer(dir string, upload bool) (*fileServer, error) {
	root, err := os.OpenRoot(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, say.Errorf(say.Text{"there is no directory %s", "没有目录 %s"}, dir)
	case err != nil:
		return nil, say.Errorf(say.Text{"cannot serve %s: %w", "无法提供 %s：%w"}, dir, err)
	}
	return &fileServer{root, http.FileServerFS(root.FS()), upload}, nil
}

func (s *fileServer) close() { s.root.Close() }

// ServeHTTP answers GET and HEAD, byte ranges included, and PUT where uploads
// are allowed.
func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get.ServeHTTP(w, r)
	case r.Method == http.MethodPut && s.upload:
		s.put(w, r)
	default:
		s.refuse(w)
	}
}

func (s *fileServer) refuse(w http.ResponseWriter) {
	allow := "GET, HEAD"
	if s.upload {
		allow += ", PUT"
	}
	w.Header().Set("Allow", allow)
	http.Error(w, "this server takes "+allow+" only", http.StatusMethodNotAllowed)
}

// put stores the body as a file, which gets its name when it is whole.
func (s *fileServer) put(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name == "" || strings.HasSuffix(r.URL.Path, "/") {
		http.Error(w, "a PUT needs the name of a file", http.StatusBadRequest)
		return
	}
	_, err := s.root.Stat(name)
	existed := err == nil
	if err := s.store(name, r.Body); err != nil {
		http.Error(w, "not stored: "+err.Error(), storeStatus(err))
		return
	}
	if existed {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func storeStatus(err error) int {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		return http.StatusConflict // a directory is missing, or in the way
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

// store writes to a temporary file beside the final one and renames it: an upload that
// breaks off leaves the old file whole, and who reads meanwhile sees one or the other.
func (s *fileServer) store(name string, body io.Reader) error {
	temp := path.Join(path.Dir(name), fmt.Sprintf(".%s.%08x.part", path.Base(name), rand.Uint32()))
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	// Both behind bare interfaces, or the file would copy by a way of its own, in small
	// pieces: a write of 32 KiB for each read.
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{body}, make([]byte, chunkBytes))
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.root.Rename(temp, name)
	}
	if err != nil {
		s.root.Remove(temp) // what remains of a failed upload
	}
	return err
}

// fileError says what became of a file that was named, and names it once.
func fileError(name string, err error) error {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return say.Errorf(say.Text{"there is no file %s", "没有文件 %s"}, name)
	case errors.As(err, &at) && at.Path == name:
		return err
	}
	return say.Errorf(say.All("%s: %w"), name, err)
}
