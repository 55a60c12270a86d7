package main

import (
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/web"
)

// tokenVariable names the environment variable with the token of --web, which there no
// list of processes shows.
const tokenVariable = "HANDFAST_WEB_TOKEN"

// webOptions are the page about a command's host, as flags.
type webOptions struct {
	address, token string

	listener net.Listener // nil: no page is wanted, or it is not open yet
}

func (o *webOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.address, "web", "", "show the host in a browser, at an `address` of this machine such as 127.0.0.1:8080, or at unix:PATH")
	f.StringVar(&o.token, "web-token", "", "let --web be at any address, for those who know this token; also in "+tokenVariable)
}

// listen opens the address, before the command does anything: one that is taken is told
// first. In a namespace of our own it is the one that the program outside has opened.
func (o *webOptions) listen() (err error) {
	if o.token == "" {
		o.token = os.Getenv(tokenVariable)
	}
	switch {
	case o.address == "":
		return nil
	case stage.Inside():
		o.listener, err = net.FileListener(stage.Inherited())
	default:
		o.listener, err = web.Listen(o.address, o.token)
	}
	if err != nil {
		return usagef(say.All("--web: %w"), err)
	}
	return nil
}

// inherited is what a program in a namespace is given.
func (o *webOptions) inherited() (files []*os.File) {
	if l, ok := o.listener.(interface{ File() (*os.File, error) }); ok {
		if f, err := l.File(); err == nil {
			files = append(files, f)
		}
	}
	return files
}

func (o *webOptions) close() {
	if o.listener != nil {
		o.listener.Close() // it has been used, or it has not
	}
}

// serve shows a host until stop is called; another one may be shown after it.
func (o *webOptions) serve(h *handfast.Host, name string, stderr terminal) (stop func()) {
	if o.listener == nil {
		return func() {}
	}
	l := o.listener
	if files := o.inherited(); len(files) > 0 { // a copy, so that the next host finds it open
		if again, err := net.FileListener(files[0]); err == nil {
			l = again
		}
		files[0].Close()
	}
	s := web.Serve(l, web.Options{Host: h, Name: name, Token: o.token})
	stderr.printf(say.Text{"Watch it in a browser: %s\n", "在浏览器中查看：%s\n"}, o.where(stderr))
	return s.Close
}

// where is what to type.
func (o *webOptions) where(out terminal) string {
	if path, ok := strings.CutPrefix(o.address, "unix:"); ok {
		return "ssh -L 8080:" + path + " HOST; http://localhost:8080/"
	}
	at := url.URL{Scheme: "http", Host: o.listener.Addr().String(), Path: "/"}
	query := url.Values{}
	if o.token != "" {
		query.Set("token", o.token)
	}
	if out.lang != 0 {
		query.Set("lang", "zh")
	}
	at.RawQuery = query.Encode()
	return at.String()
}
