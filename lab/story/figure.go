package story

import "github.com/handfast-tcp/handfast/engine/tcp"

// The state diagram is laid out like the figure of RFC 9293 §3.3.2 and of the
// textbooks, on a grid of character cells, so that one table serves the text
// and the picture. https://www.rfc-editor.org/rfc/rfc9293#section-3.3.2

// cellAt is a place on the grid.
type cellAt struct{ col, row int }

// A state's box is so wide and so high, its border included; its place is its
// middle.
const (
	boxCols, boxRows       = 15, 3
	figureCols, figureRows = 80, 42
)

// boxAt is where each state stands.
var boxAt = [tcp.NumStates]cellAt{
	tcp.Closed: {40, 1}, tcp.Listen: {40, 8},
	tcp.SynReceived: {10, 15}, tcp.SynSent: {70, 15}, tcp.Established: {40, 20},
	tcp.FinWait1: {10, 27}, tcp.Closing: {41, 27}, tcp.CloseWait: {70, 27},
	tcp.FinWait2: {10, 34}, tcp.TimeWait: {41, 34}, tcp.LastAck: {70, 34},
}

// closedAgain is a second box of CLOSED, below, where connections end.
var closedAgain = cellAt{55, 40}

// route is how an arrow of the diagram goes: from corner to corner, along the
// grid. Its words are an event and, behind the slash, what is sent.
type route struct {
	move
	points []cellAt
	words  string
	at     cellAt
	anchor anchor
	below  bool // the words stand below their arrow
	// stub is an arrow to CLOSED that only RST, abort and time-out make. It
	// ends in a cross, or the figure would be full of them.
	stub bool
}

var routes = []route{
	{move: move{tcp.Closed, tcp.Listen}, points: []cellAt{{36, 2}, {36, 7}}, words: "passive open", at: cellAt{34, 4}, anchor: atEnd},
	{move: move{tcp.Listen, tcp.Closed}, points: []cellAt{{44, 7}, {44, 2}}, words: "close", at: cellAt{46, 4}},
	{move: move{tcp.Closed, tcp.SynSent}, points: []cellAt{{47, 1}, {76, 1}, {76, 14}}, words: "active open / send SYN", at: cellAt{50, 0}},
	{move: move{tcp.SynSent, tcp.Closed}, points: []cellAt{{71, 14}, {71, 2}, {47, 2}}, words: "close, RST,\ntime-out", at: cellAt{58, 3}, below: true},
	{move: move{tcp.Listen, tcp.SynSent}, points: []cellAt{{47, 8}, {66, 8}, {66, 14}}, words: "open / send SYN", at: cellAt{50, 7}},
	{move: move{tcp.Listen, tcp.SynReceived}, points: []cellAt{{33, 8}, {7, 8}, {7, 14}}, words: "SYN / send SYN, ACK", at: cellAt{10, 7}},
	{move: move{tcp.SynReceived, tcp.Listen}, points: []cellAt{{14, 14}, {14, 9}, {33, 9}}, words: "RST, time-out", at: cellAt{18, 10}, below: true},
	{move: move{tcp.SynSent, tcp.SynReceived}, points: []cellAt{{63, 15}, {17, 15}}, words: "SYN / send SYN, ACK", at: cellAt{40, 14}, anchor: atMiddle},
	{move: move{tcp.SynReceived, tcp.Established}, points: []cellAt{{13, 16}, {13, 20}, {33, 20}}, words: "ACK of SYN", at: cellAt{17, 19}},
	{move: move{tcp.SynReceived, tcp.FinWait1}, points: []cellAt{{6, 16}, {6, 26}}, words: "close / send FIN", at: cellAt{8, 21}},
	{move: move{tcp.SynSent, tcp.Established}, points: []cellAt{{70, 16}, {70, 20}, {47, 20}}, words: "SYN, ACK / send ACK", at: cellAt{49, 19}},
	{move: move{tcp.Established, tcp.FinWait1}, points: []cellAt{{36, 21}, {36, 23}, {13, 23}, {13, 26}}, words: "close / send FIN", at: cellAt{17, 22}},
	{move: move{tcp.Established, tcp.CloseWait}, points: []cellAt{{44, 21}, {44, 23}, {70, 23}, {70, 26}}, words: "FIN / send ACK", at: cellAt{50, 22}},
	{move: move{tcp.FinWait1, tcp.FinWait2}, points: []cellAt{{10, 28}, {10, 33}}, words: "ACK of FIN", at: cellAt{12, 32}},
	{move: move{tcp.FinWait1, tcp.Closing}, points: []cellAt{{17, 27}, {34, 27}}, words: "FIN / send ACK", at: cellAt{19, 26}},
	{move: move{tcp.FinWait1, tcp.TimeWait}, points: []cellAt{{14, 28}, {14, 31}, {37, 31}, {37, 33}}, words: "FIN, ACK / send ACK", at: cellAt{17, 30}},
	{move: move{tcp.Closing, tcp.TimeWait}, points: []cellAt{{41, 28}, {41, 33}}, words: "ACK of FIN", at: cellAt{43, 30}},
	{move: move{tcp.FinWait2, tcp.TimeWait}, points: []cellAt{{17, 34}, {34, 34}}, words: "FIN / send ACK", at: cellAt{19, 33}},
	{move: move{tcp.TimeWait, tcp.Closed}, points: []cellAt{{41, 35}, {41, 40}, {48, 40}}, words: "2MSL passed", at: cellAt{39, 38}, anchor: atEnd},
	{move: move{tcp.CloseWait, tcp.LastAck}, points: []cellAt{{70, 28}, {70, 33}}, words: "close /\nsend FIN", at: cellAt{72, 30}},
	{move: move{tcp.LastAck, tcp.Closed}, points: []cellAt{{70, 35}, {70, 40}, {62, 40}}, words: "ACK of FIN", at: cellAt{68, 38}, anchor: atEnd},
	{move: move{tcp.SynReceived, tcp.Closed}, points: []cellAt{{3, 15}, {1, 15}}, stub: true},
	{move: move{tcp.Established, tcp.Closed}, points: []cellAt{{40, 21}, {40, 22}}, stub: true},
	{move: move{tcp.FinWait1, tcp.Closed}, points: []cellAt{{3, 27}, {1, 27}}, stub: true},
	{move: move{tcp.FinWait2, tcp.Closed}, points: []cellAt{{3, 34}, {1, 34}}, stub: true},
	{move: move{tcp.Closing, tcp.Closed}, points: []cellAt{{48, 27}, {50, 27}}, stub: true},
	{move: move{tcp.CloseWait, tcp.Closed}, points: []cellAt{{77, 27}, {79, 27}}, stub: true},
}

// drawnRoutes are the routes of the moves that the engine's table has.
func drawnRoutes() (found []*route) {
	for i := range routes {
		if r := &routes[i]; tcp.CanMove(r.from, r.to) {
			found = append(found, r)
		}
	}
	return found
}

// routesZH are the words of the routes in Chinese.
var routesZH = map[string]string{
	"passive open": "被动打开", "close": "关闭", "active open / send SYN": "主动打开 / 发送 SYN",
	"close, RST,\ntime-out": "关闭、RST、\n超时", "open / send SYN": "打开 / 发送 SYN", "SYN / send SYN, ACK": "SYN / 发送 SYN、ACK",
	"RST, time-out": "RST、超时", "ACK of SYN": "SYN 的 ACK", "close /\nsend FIN": "关闭 /\n发送 FIN",
	"SYN, ACK / send ACK": "SYN、ACK / 发送 ACK", "close / send FIN": "关闭 / 发送 FIN", "FIN / send ACK": "FIN / 发送 ACK",
	"ACK of FIN": "FIN 的 ACK", "FIN, ACK / send ACK": "FIN、ACK / 发送 ACK", "2MSL passed": "2MSL 已过",
}

// text returns the words of a route.
func (r *route) text(l Lang) string {
	if zh, ok := routesZH[r.words]; ok && l == Chinese {
		return zh
	}
	return r.words
}

var (
	stubText    = sentence{"CLOSED at once: RST, abort, time-out", "立即进入 CLOSED：RST、中止、超时"} // what a cross stands for
	activeFrame = sentence{"active close: closes first", "主动关闭：先关闭的一方"}
	otherFrame  = sentence{"passive close", "被动关闭"}
)

// box is a state's box.
type box struct {
	tcp.State
	at cellAt
}

func allBoxes() (all []box) {
	for s, at := range boxAt {
		all = append(all, box{tcp.State(s), at})
	}
	return append(all, box{tcp.Closed, closedAgain})
}
