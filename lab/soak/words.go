package soak

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// inWords says what a plan holds, without what is nothing.
func inWords(p *plan) string { return words(reflect.ValueOf(*p)) }

// words is a value as text: of a struct the fields that are not zero, with their names.
func words(v reflect.Value) string {
	var all []string
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch text := words(v.Field(i)); {
			case v.Field(i).IsZero() || text == "":
			case f.Anonymous:
				all = append(all, strings.Trim(text, "{}"))
			case v.Field(i).Kind() == reflect.Bool:
				all = append(all, f.Name)
			default:
				all = append(all, f.Name+" "+text)
			}
		}
		if len(all) == 0 {
			return ""
		}
		return "{" + strings.Join(all, "; ") + "}"
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			all = append(all, words(v.Index(i)))
		}
		return "[" + strings.Join(all, " | ") + "]"
	case reflect.Int64:
		if v.Type() == reflect.TypeFor[time.Duration]() {
			return time.Duration(v.Int()).String()
		}
	case reflect.Float64:
		return fmt.Sprintf("%.3g", v.Float())
	}
	return fmt.Sprint(v)
}
