// Package testnet gives a test binary a network of its own: it runs again in
// new namespaces, where it may make devices and break them. Only Linux has them.
package testnet
