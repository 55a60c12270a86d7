// Package conformance holds tests of Handfast that others wrote, and tests with
// the clients of others. It is a module of its own so that the library requires
// nothing for their sake.
package conformance
