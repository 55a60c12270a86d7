// Package ao authenticates the segments of TCP connections: the TCP Authentication
// Option, RFC 5925, with the algorithms of RFC 5926. A host that is given Keys takes
// from a peer that a key is for nothing that is not signed with it, and signs all that
// it sends there: a router's BGP session, for instance, which a forged RST would end.
//
// TCP MD5 signatures (RFC 2385), which this option replaces, are left out on purpose.
//
// https://www.rfc-editor.org/rfc/rfc5925
// https://www.rfc-editor.org/rfc/rfc5926
package ao
