package story

import (
	"regexp"
	"strings"
)

// What a program's call gives is written in English words by the lab. In Chinese
// the call itself stays as the scenario has it, like any line of a program, and
// what it gave is told in Chinese.

// outcomeZH are the words of outcomes, and what stands for them. The longer ones
// come first where one holds another.
var outcomeZH = []struct {
	english *regexp.Regexp
	chinese string
}{
	{regexp.MustCompile(`^(.+) after (\d+) bytes?$`), "写入 $2 字节之后$1"},
	{regexp.MustCompile(`(\d+) up to the urgent mark`), "到紧急标记为止 $1 字节"},
	{regexp.MustCompile(`(\d+) bytes? of `), "$1 字节 "},
	{regexp.MustCompile(`(\d+) bytes?: `), "$1 字节："},
	{regexp.MustCompile(`(\d+) bytes?\b`), "$1 字节"},
	{regexp.MustCompile(`, then `), "，接着 "},
	{regexp.MustCompile(`end of stream`), "流结束"},
	{regexp.MustCompile(`connection reset`), "连接被复位"},
	{regexp.MustCompile(`connection refused`), "连接被拒绝"},
	{regexp.MustCompile(`address in use`), "地址已被占用"},
	{regexp.MustCompile(`no such connection`), "没有这个连接"},
	{regexp.MustCompile(`no connection`), "没有连接"},
	{regexp.MustCompile(`no such host`), "没有这台主机"},
	{regexp.MustCompile(`not listening`), "没有在监听"},
	{regexp.MustCompile(`no peer: say peer HOST PORT first`), "没有对端：先写 peer HOST PORT"},
	{regexp.MustCompile(`timed out`), "超时"},
	{regexp.MustCompile(`unreachable`), "不可达"},
	{regexp.MustCompile(`aborted`), "已中止"},
	{regexp.MustCompile(`closed`), "已关闭"},
	{regexp.MustCompile(`^got `), "收到 "},
	{regexp.MustCompile(`, `), "，"},
}

// quoted is a text in quotes: what a program has written or read.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// outcomeText returns what a call gave, with the call before it.
func outcomeText(call, gave string, l Lang) string {
	if l != Chinese {
		return call + ": " + gave
	}
	texts := quoted.FindAllString(gave, -1)
	gave = quoted.ReplaceAllString(gave, "\x00")
	for _, o := range outcomeZH {
		gave = o.english.ReplaceAllString(gave, o.chinese)
	}
	for _, t := range texts {
		gave = strings.Replace(gave, "\x00", t, 1)
	}
	return call + "：" + gave
}

// failureZH are the words of expectations that did not hold. What a scenario's line
// says, and what stands in quotes, stays.
var failureZH = []struct {
	english *regexp.Regexp
	chinese string
}{
	{regexp.MustCompile(`^line (\d+): `), "第 $1 行："},
	{regexp.MustCompile(` gave ("(?:[^"\\]|\\.)*"), wanted (".*")$`), " 得到 $1，期望 $2"},
	{regexp.MustCompile(`: found (\d+) such segments?$`), "：找到 $1 个这样的报文段"},
	{regexp.MustCompile(`(\S+) wanted nothing and got (.*)$`), "$1 什么也不期望，却收到 $2"},
	{regexp.MustCompile(`: got (.*)$`), "：收到 $1"},
	{regexp.MustCompile(`: (\S+) ends in (\S+)$`), "：$1 的最终状态是 $2"},
	{regexp.MustCompile(`: (\S+) was in (.*), in this order: (\S+) is missing$`), "：$1 依次经过 $2，缺少 $3"},
	{regexp.MustCompile(`: (\S+) was in (\S+)$`), "：$1 曾处于 $2"},
	{regexp.MustCompile(`: (\S+) drops for: (.*)$`), "：$1 丢弃报文段的原因是：$2"},
	{regexp.MustCompile(`^lab: programs wait for what will never come: `), "有程序在等待永远不会发生的事："},
	{regexp.MustCompile(`^lab: the limit of time is reached: `), "已到时间上限，仍在等待的程序："},
}

// FailureText says which expectation of a scenario did not hold: an entry of
// lab.Result.Failed.
func FailureText(failed string, l Lang) string {
	if l == Chinese {
		for _, f := range failureZH {
			failed = f.english.ReplaceAllString(failed, f.chinese)
		}
	}
	return failed
}

// messagesZH are the words of ICMP messages.
var messagesZH = strings.NewReplacer("fragmentation needed", "需要分片", "packet too big", "报文过大",
	", next link takes ", "，下一段链路最多 ", "ICMP: ", "ICMP：", "ICMPv6: ", "ICMPv6：",
	"IP protocol ", "IP 协议 ", "ICMP type ", "ICMP 类型 ", " code ", " 代码 ",
	": asks who is in ", "：询问谁在组 ", "any group", "任意", ": ", "：", ", ", "，", "joins ", "加入 ", "leaves ", "离开 ", "is in ", "在组 ")

func messageText(text string, l Lang) string {
	if l == Chinese {
		return messagesZH.Replace(text)
	}
	return text
}
