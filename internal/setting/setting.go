// Package setting is what a number in a configuration may be: its default and
// its range. One line of a table serves the check that refuses what is outside,
// and the layers below it, which take the nearest number that is inside.
package setting

import "fmt"

// Setting is a field of a configuration.
type Setting interface {
	// Check returns an error that says the field, its value and its range. Zero
	// is allowed: it means the default.
	Check() error
	// Settle puts the default where the field is zero, and then the nearest
	// value of the range.
	Settle()
}

// Of describes a field whose full name is name.
func Of[T ~int | ~int64 | ~uint8](name string, field *T, byDefault, least, most T) Setting {
	return &of[T]{name, field, byDefault, least, most}
}

type of[T ~int | ~int64 | ~uint8] struct {
	name                   string
	field                  *T
	byDefault, least, most T
}

func (s *of[T]) Check() error {
	if v := *s.field; v != 0 && (v < s.least || v > s.most) {
		return fmt.Errorf("%s is %v; it may be %v to %v, or 0 for the default", s.name, v, s.least, s.most)
	}
	return nil
}

func (s *of[T]) Settle() {
	if *s.field == 0 {
		*s.field = s.byDefault
	}
	*s.field = min(max(*s.field, s.least), s.most)
}

// Check returns the first error of a table.
func Check(table []Setting) error {
	for _, s := range table {
		if err := s.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Settle settles the fields of a table, in order: a field may bound those that
// come after it.
func Settle(table []Setting) {
	for _, s := range table {
		s.Settle()
	}
}
