package tcp

// undone is how often a recovery or a timeout was undone.
func (n *Counters) undone() uint64 {
	return n.TCPFullUndo + n.TCPPartialUndo + n.TCPLossUndo + n.TCPDSACKUndo
}
