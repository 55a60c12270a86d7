//go:build !js

// Command playground is the lab in a page. Built for the browser it is the engine that the
// page's worker calls; built for anything else it makes the folder that a web server
// serves: the page, the engine, and what Go has to start it.
package main

import (
	"embed"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
)

//go:embed page
var pages embed.FS

func main() {
	out := flag.String("out", "bin/playground", "write the playground to this `folder`")
	web := flag.String("web", "", "and serve it at this `address`, such as 127.0.0.1:8080")
	flag.Parse()
	log.SetFlags(0)
	if err := makeAll(*out, *web); err != nil {
		log.Fatal("playground: ", err)
	}
}

func makeAll(out, web string) error {
	if err := write(out); err != nil {
		return err
	}
	fmt.Printf("%s has the playground: any web server can serve it\n", out)
	if web == "" {
		return nil
	}
	l, err := net.Listen("tcp", web)
	if err != nil {
		return err
	}
	fmt.Printf("http://%v/\n", l.Addr())
	return http.Serve(l, handler(os.DirFS(out)))
}

// handler serves the folder. The page says the same policy itself, for servers that do not.
func handler(dir fs.FS) http.Handler {
	files := http.FileServerFS(dir)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "frame-ancestors 'none'")
		h.Set("Cache-Control", "no-cache") // ask whether it has changed
		files.ServeHTTP(w, r)
	})
}
