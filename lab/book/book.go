package book

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/play"
	"github.com/handfast-tcp/handfast/lab/story"
)

// seed is that of the command when it is not told another.
const seed = 1

// words are what stands on pages beside the stories.
type words struct {
	suffix, other                         string // of file names in this language and in the other
	title, lead, contents, previous, next string
	otherName                             string
	happens, try, alone, line, read, text string
}

var wordsOf = [...]words{
	story.English: {other: ".zh-CN", title: "A book of TCP, in scenarios",
		lead: "Each page tells one story: what both ends do, and why. They are played by the engine that serves real connections, " +
			"in virtual time; the same seed gives the same bytes everywhere. This book is written by `handfast lab --book DIR`.",
		contents: "Contents", previous: "Before", next: "Next", otherName: "中文",
		happens: "What happens", try: "What to try", alone: "Or step through it, and break it yourself, in the playground: `make playground`.",
		line: "Add this line to the scenario:", read: "Where it is written", text: "The story as the lab reads it"},
	story.Chinese: {suffix: ".zh-CN", title: "用场景讲 TCP",
		lead: "每一页讲一个故事：两端做了什么，为什么。由服务真实连接的同一个引擎在虚拟时间里演出；同一个种子在哪里都得到同样的字节。" +
			"本书由 `handfast lab --book 目录` 写成。",
		contents: "目录", previous: "上一篇", next: "下一篇", otherName: "English",
		happens: "发生了什么", try: "试一试", alone: "也可以在试验场里逐步观察、亲手弄坏：`make playground`。",
		line: "在场景中加上这一行：", read: "出处", text: "实验室读到的故事"},
}

// Files returns the book, by the names of its files.
func Files() (map[string][]byte, error) {
	files, all := map[string][]byte{}, lab.Scenarios()
	for _, l := range []story.Lang{story.English, story.Chinese} {
		files["README"+wordsOf[l].suffix+".md"] = []byte(contents(all, l))
		for i := range all {
			if err := page(files, all, i, l); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// contents lists the stories, group by group.
func contents(all []lab.Info, l story.Lang) string {
	w := &wordsOf[l]
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n[%s](README%s.md)\n\n%s\n", w.title, w.otherName, w.other, w.lead)
	group := ""
	for i := range all {
		s := &all[i]
		name, title, summary := s.Group, s.Title, s.Summary
		if l == story.Chinese {
			name, title, summary = s.GroupZH, s.TitleZH, s.SummaryZH
		}
		if name != group {
			group = name
			fmt.Fprintf(&b, "\n## %s\n\n", name)
		}
		fmt.Fprintf(&b, "- [%s](%s%s.md): %s\n", title, s.Name, w.suffix, escaped(summary))
	}
	return b.String()
}

// page adds a story's page, and its picture.
func page(files map[string][]byte, all []lab.Info, i int, l story.Lang) error {
	s, err := lab.Find(all[i].Name)
	if err != nil {
		return err
	}
	r, err := s.Run(lab.Options{Seed: seed})
	if err != nil {
		return err
	}
	w, name := &wordsOf[l], s.Name
	title, summary := play.Words(s, l)
	plain := story.Tell(&r.Run, story.TellOptions{Lang: l})
	var picture bytes.Buffer
	if err := play.Picture(r, plain, l, story.Auto).Write(&picture, plain.Steps); err != nil {
		return err
	}
	files["images/"+name+w.suffix+".svg"] = picture.Bytes()

	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n\n", title, navigation(all, i, l), escaped(summary))
	fmt.Fprintf(&b, "![%s](images/%s%s.svg)\n\n## %s\n\n", title, name, w.suffix, w.happens)
	run := play.PageRun(r, story.Tell(&r.Run, story.TellOptions{Lang: l, Explain: true}), l, title)
	b.WriteString(sentences(run.Reel(l).Frames))
	fmt.Fprintf(&b, "\n## %s\n\n", w.try)
	for i := range s.Tries {
		b.WriteString(try(name, &s.Tries[i], l))
	}
	fmt.Fprintf(&b, "%s\n\n## %s\n\n%s\n", w.alone, w.read, sources(s, l))
	fmt.Fprintf(&b, "\n## %s\n\n[lab/scenarios/%s.txt](../../lab/scenarios/%s.txt)\n\n```\n%s```\n", w.text, name, name, source(s))
	files[name+w.suffix+".md"] = []byte(b.String())
	return nil
}

// navigation leads to the page before, the contents, the next one, and the other language.
func navigation(all []lab.Info, i int, l story.Lang) string {
	w := &wordsOf[l]
	var links []string
	if i > 0 {
		links = append(links, fmt.Sprintf("[%s](%s%s.md)", w.previous, all[i-1].Name, w.suffix))
	}
	links = append(links, fmt.Sprintf("[%s](README%s.md)", w.contents, w.suffix))
	if i < len(all)-1 {
		links = append(links, fmt.Sprintf("[%s](%s%s.md)", w.next, all[i+1].Name, w.suffix))
	}
	return strings.Join(append(links, fmt.Sprintf("[%s](%s%s.md)", w.otherName, all[i].Name, w.other)), " · ")
}

// sentences lists what happens and why; what has been explained is not explained again.
func sentences(frames []story.Frame) string {
	var b strings.Builder
	said := map[string]bool{}
	for _, f := range frames {
		if f.Why == "" || said[f.Why] {
			continue
		}
		said[f.Why] = true
		fmt.Fprintf(&b, "- `%s` **%s**  \n  %s\n", f.Time, escaped(f.Text), escaped(f.Why))
	}
	return b.String()
}

// try says what to change, as a command or as a line.
func try(name string, t *lab.Try, l story.Lang) string {
	text := t.Text
	if l == story.Chinese {
		text = t.TextZH
	}
	if !t.IsSettings() {
		return fmt.Sprintf("%s %s\n\n```\n%s\n```\n\n", text, wordsOf[l].line, t.With)
	}
	flags := ""
	for _, w := range strings.Fields(t.With) {
		flags += " --" + strings.Replace(w, "=", " ", 1)
	}
	if l == story.Chinese {
		flags += " --lang zh"
	}
	return fmt.Sprintf("%s\n\n```\nhandfast lab %s --explain%s\n```\n\n", text, name, flags)
}

// sources are what a scenario says of where to read, with links.
func sources(scenario *lab.Scenario, l story.Lang) string {
	var b strings.Builder
	for _, s := range play.Sources(scenario, l) {
		if s.URL == "" {
			b.WriteString(escaped(s.Text))
			continue
		}
		fmt.Fprintf(&b, "[%s](%s)", s.Text, s.URL)
	}
	return b.String()
}

// source is the text of a scenario without what the page says above it.
func source(s *lab.Scenario) string {
	var b strings.Builder
	for line := range strings.Lines(s.Source()) {
		key, _, _ := strings.Cut(line, ":")
		switch key {
		case "title", "title-zh", "summary", "summary-zh", "see", "see-zh", "try", "try-zh":
		default:
			b.WriteString(line)
		}
	}
	return strings.TrimLeft(b.String(), "\n")
}

var escaper = strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`)

// escaped is text in which Markdown sees none of its signs.
func escaped(text string) string { return escaper.Replace(text) }
