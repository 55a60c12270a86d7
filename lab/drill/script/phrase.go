package script

import (
	"fmt"
	"strings"
)

// Phrase is what is said to who writes a script: a format and what is put into it. It is
// English unless somebody wants it otherwise, so it can be told in another language when all
// is known.
type Phrase struct {
	format string
	args   []any
}

// Begins reports whether a phrase begins with words.
func (p Phrase) Begins(with string) bool { return strings.HasPrefix(p.format, with) }

// Say makes a phrase. Phrases, and words that stand in the table of the other language, are
// told in the language of the whole.
func Say(format string, args ...any) Phrase { return Phrase{format, args} }

// None reports whether nothing is said.
func (p Phrase) None() bool { return p.format == "" }

// String returns it in English.
func (p Phrase) String() string {
	if p.format == "" {
		return ""
	}
	return fmt.Sprintf(p.format, p.args...)
}

// Chinese returns it in Chinese. What there is no Chinese for is as it is, like what stands in
// a script.
func (p Phrase) Chinese() string {
	args := make([]any, len(p.args))
	for i, a := range p.args {
		switch a := a.(type) {
		case interface{ Chinese() string }:
			args[i] = a.Chinese()
		case string:
			args[i] = Chinese(a)
		default:
			args[i] = a
		}
	}
	if p.format == "" {
		return ""
	}
	return fmt.Sprintf(Chinese(p.format), args...)
}

// Chinese returns the Chinese of a text that is said of scripts, or else the text.
func Chinese(text string) string {
	if zh, ok := chinese[text]; ok {
		return zh
	}
	return text
}
