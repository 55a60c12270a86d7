// Package random has secret bytes from the system.
package random
