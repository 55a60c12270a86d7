package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// outForms are the endings of the files that a recorded run can be written to.
var outForms = []string{".svg", ".html", ".pcapng", ".json", ".txt"}

// outFile is where a recorded run must be written, as --out says. A file that is
// there is replaced, as lab does.
type outFile struct{ path string }

func (o *outFile) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.path, "out", "", "write what happened to this `file`: its ending chooses the form: "+strings.Join(outForms, ", "))
}

// wanted reports whether there is a file to be written.
func (o *outFile) wanted() bool { return o.path != "" }

// check finds out before the work whether the file can be written after it.
func (o *outFile) check() error {
	if !o.wanted() {
		return nil
	}
	if !slices.Contains(outForms, o.form()) {
		return usagef(say.Text{"--out %s: the ending chooses the form, and is one of %s", "--out %s：文件后缀决定格式，可选 %s"}, o.path, strings.Join(outForms, ", "))
	}
	dir := filepath.Dir(o.path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return say.Errorf(say.Text{"--out %s: there is no directory %s", "--out %s：没有目录 %s"}, o.path, dir)
	}
	return nil
}

func (o *outFile) form() string { return strings.ToLower(filepath.Ext(o.path)) }

// recording is what a file is written of: what a host did in real time, or a life of soak.
type recording interface {
	Tell(story.TellOptions) *story.Telling
	Run() *trace.Run
	Empty() bool
	Speaks() story.Lang
}

// write writes what r has kept.
func (o *outFile) write(r recording, title string) error {
	if !o.wanted() {
		return nil
	}
	if r.Empty() {
		return say.Errorf(say.Text{"--out %s: not written, as there was no connection", "--out %s：没有写入，因为没有任何连接"}, o.path)
	}
	var b bytes.Buffer
	if err := o.show(&b, r, title); err != nil {
		return say.Errorf(say.All("--out %s: %w"), o.path, err)
	}
	return os.WriteFile(o.path, b.Bytes(), 0o644)
}

// afterRun returns the error of a command of which err came, and written of the
// writing of its file.
func afterRun(err, written error) error {
	var said exitError
	switch {
	case written == nil:
		return err
	case errors.As(err, &said):
		return written // or nobody would hear of it
	}
	return errors.Join(err, written)
}

// outFooter explains the pictures.
var outFooter = say.Text{
	story.English: "sequence numbers count from each SYN, windows are in bytes · not to scale where arrows crowd",
	story.Chinese: "序号从各自的 SYN 算起，窗口以字节为单位 · 箭头密集处的时间不按比例",
}

func (o *outFile) show(w io.Writer, r recording, title string) error {
	lang := r.Speaks()
	switch o.form() {
	case ".svg":
		t := r.Tell(story.TellOptions{Lang: lang})
		return story.Picture{Title: title, Lanes: t.Lanes, Lang: lang, Footer: outFooter[lang]}.Write(w, t.Steps)
	case ".html":
		t := r.Tell(story.TellOptions{Explain: true, Lang: lang})
		page := story.PageRun{Title: title, Lanes: t.Lanes, Steps: t.Steps, Footer: outFooter[lang]}
		return story.Page{Title: title, Lang: lang, Runs: []story.PageRun{page}}.Write(w)
	case ".pcapng":
		return trace.WriteCapture(w, title, r.Run())
	case ".json":
		return story.WriteJSON(w, r.Run(), story.TellOptions{Lang: lang})
	}
	t := r.Tell(story.TellOptions{Lang: lang})
	fmt.Fprintf(w, "%s\n\n", title)
	if err := (story.Ladder{Lanes: t.Lanes}).Write(w, t.Steps); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(story.Legend(t.Steps, lang, false, story.DefaultWidth), "\n"))
	return err
}
