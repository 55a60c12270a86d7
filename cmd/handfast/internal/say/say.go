// Package say keeps what the command says to people in every language that it
// speaks: text that stands in one place with its translations, and errors that
// are told in the language of whoever reads them.
package say

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/lab/story"
)

// Text is the same in every language, by story.Lang. Where it is a format, each has
// the same verbs in the same order.
type Text [2]string

// All is a text that is the same in all languages: a name, or lines to be typed.
func All(text string) Text { return Text{text, text} }

// failure is an error in every language. What it wraps may be one, too.
type failure struct {
	format Text
	args   []any
	error  // in English: what programs and tests look at
}

func (f *failure) Unwrap() error { return f.error }

// Errorf returns an error; %w is as for fmt.Errorf. A Text and an error among
// the arguments are told in the language of the whole.
func Errorf(format Text, args ...any) error {
	return &failure{format, args, fmt.Errorf(format[story.English], in(story.English, args)...)}
}

// Error tells an error in a language. What comes from the library or the system is
// as it is: it is what people search for.
func Error(err error, l story.Lang) string {
	switch e := err.(type) {
	case *failure:
		return fmt.Errorf(e.format[l], in(l, e.args)...).Error()
	case interface{ Unwrap() []error }:
		if all := e.Unwrap(); isJoined(err, all) {
			return lines(all, l)
		}
	}
	return err.Error()
}

// in puts arguments into a language.
func in(l story.Lang, args []any) []any {
	args = slices.Clone(args)
	for i, a := range args {
		switch a := a.(type) {
		case Text:
			args[i] = a[l]
		case error:
			if l != story.English { // there the error itself, for who looks inside
				args[i] = errors.New(Error(a, l))
			}
		}
	}
	return args
}

// isJoined reports whether an error is nothing but several, as errors.Join makes it.
func isJoined(err error, all []error) bool { return err.Error() == lines(all, story.English) }

func lines(all []error, l story.Lang) string {
	text := make([]string, len(all))
	for i, e := range all {
		text[i] = Error(e, l)
	}
	return strings.Join(text, "\n")
}

// Left fills a text up to so many columns: a Chinese character takes two.
func Left(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-story.Columns(text), 0))
}

// Right moves a text to the right end of so many columns.
func Right(text string, columns int) string {
	return strings.Repeat(" ", max(columns-story.Columns(text), 0)) + text
}
