// Package answers holds tests that ask the kernel's TCP/IP and ours the same. Raw
// packets go to both, and what comes back is compared (TestAnswers); whole
// conversations, in which programs have their part, are played with both
// (TestConversations). Where they differ, the tables of differences say which RFC
// allows or wants it.
//
// The kernel lives in a network namespace behind a TUN device, ours is a
// host.Host in virtual time.
package answers
