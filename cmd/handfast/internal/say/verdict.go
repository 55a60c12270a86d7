package say

import (
	"regexp"

	"github.com/handfast-tcp/handfast/lab/story"
)

// verdictZH are the words of the detector's verdicts, and what stands for them. It
// writes English: its line is what operators search logs for, and it comes by the
// control socket of another program. The longer ones come first where one holds
// another.
var verdictZH = []struct {
	english *regexp.Regexp
	chinese string
}{
	{regexp.MustCompile(`^possible SYN flooding on port (\d+)\. `), "端口 $1 可能正遭受 SYN 泛洪。"},
	{regexp.MustCompile(`^possible SYN flooding\. `), "可能正遭受 SYN 泛洪。"},
	{regexp.MustCompile(`^broken path: handshakes on port (\d+) do not complete\. `), "路径损坏：端口 $1 的握手无法完成。"},
	{regexp.MustCompile(`^broken path: handshakes do not complete\. `), "路径损坏：握手无法完成。"},
	{regexp.MustCompile(`^port scan: about (\S+) closed ports, (\S+)/s, by (\d+) of about (\S+) sources`), "端口扫描：约 $1 个关闭的端口，$2/s，约 $4 个来源中有 $3 个在扫描"},
	{regexp.MustCompile(`^flash crowd on port (\d+): `), "端口 $1 访问激增："},
	{regexp.MustCompile(`^flash crowd: `), "访问激增："},
	{regexp.MustCompile(`^quiet: (\S+)/s, (\S+)/s completed, `), "平静：SYN $1/s，完成 $2/s，"},
	{regexp.MustCompile(`^elevated: (\S+)/s, (\S+)/s completed, `), "异常升高：SYN $1/s，完成 $2/s，"},
	{regexp.MustCompile(`Sending cookies for what the queue cannot keep\. `), "队列容纳不下的以 cookie 应答。"},
	{regexp.MustCompile(`Sending cookies\. `), "正在发送 cookie。"},
	{regexp.MustCompile(`Dropping SYNs\. `), "正在丢弃 SYN。"},
	{regexp.MustCompile(`The half-open queue has room\. `), "半开连接队列尚有空位。"},
	{regexp.MustCompile(`(\S+)/s completed where (\S+)/s is usual`), "完成 $1/s，平时为 $2/s"},
	{regexp.MustCompile(`(\d+) % of handshakes unanswered`), "$1 % 的握手没有应答"},
	{regexp.MustCompile(`(\d+) % of handshakes repeated as by real clients`), "$1 % 的握手像真实客户端那样重发"},
	{regexp.MustCompile(`(\d+) % of SYN-ACKs answered by RST`), "$1 % 的 SYN-ACK 得到 RST"},
	{regexp.MustCompile(`(\d+) % need repetitions`), "$1 % 需要重发"},
	{regexp.MustCompile(`(\d+) % unanswered`), "$1 % 没有应答"},
	{regexp.MustCompile(`oldest half-open (\d+) s`), "最早的半连接已有 $1 s"},
	{regexp.MustCompile(`half-open (\d+/\d+)`), "半连接 $1"},
	{regexp.MustCompile(`sources unknown: only (\S+) of (\S+) SYNs could be seen`), "来源未知：$2 个 SYN 中只看到 $1 个"},
	{regexp.MustCompile(` from about (\S+) sources`), "，来自约 $1 个来源"},
	{regexp.MustCompile(`from about (\S+) sources`), "来自约 $1 个来源"},
	{regexp.MustCompile(`about (\S+) sources`), "约 $1 个来源"},
	{regexp.MustCompile(`about (\S+) closed ports, (\S+)/s`), "约 $1 个关闭的端口，$2/s"},
	{regexp.MustCompile(`(\d+) sources scan`), "$1 个来源在扫描"},
	{regexp.MustCompile(`(\S+)/s invalid cookies`), "无效 cookie $1/s"},
	{regexp.MustCompile(`(\S+)/s SYNs dropped, accept queue full`), "因已完成连接队列已满，丢弃 SYN $1/s"},
	{regexp.MustCompile(`, ，|， `), "，"},
	{regexp.MustCompile(`, `), "，"},
	{regexp.MustCompile(`; `), "；"},
}

// Verdict tells a verdict of the detector, or one of its reasons.
func Verdict(text string, l story.Lang) string {
	if l == story.Chinese {
		for _, v := range verdictZH {
			text = v.english.ReplaceAllString(text, v.chinese)
		}
	}
	return text
}
