package say

import (
	"regexp"
	"strings"

	"github.com/handfast-tcp/handfast/lab/story"
)

// filterZH are the words of what is wrong with a filter, in the order in which they come.
// Package inspect writes English, as any library. Quoted is what was typed.
var filterZH = []struct {
	english *regexp.Regexp
	chinese string
}{
	{regexp.MustCompile(`^filter, column (\d+): `), "过滤条件第 $1 个字符："},
	{regexp.MustCompile(`：the filter ends too early`), "：过滤条件不完整"},
	{regexp.MustCompile(`：unexpected (".*")$`), "：多余的 $1"},
	{regexp.MustCompile(`：this parenthesis is not closed$`), "：括号没有闭合"},
	{regexp.MustCompile(`：(".*") must stand before the other conditions$`), "：$1 必须写在其他条件之前"},
	{regexp.MustCompile(`：(".*") is not a state; `), "：$1 不是状态; "},
	{regexp.MustCompile(`：(".*") is not a condition; `), "：$1 不是条件; "},
	{regexp.MustCompile(`：(".*") is not a comparison; `), "：$1 不是比较运算; "},
	{regexp.MustCompile(`：(".*") is not a port; `), "：$1 不是端口; "},
	{regexp.MustCompile(`：(".*") is not an address; `), "：$1 不是地址; "},
	{regexp.MustCompile(`; the states are (.*), and the groups (.*)$`), "；状态有 $1；状态组有 $2"},
	{regexp.MustCompile(`; conditions are (.*)$`), "；条件有 $1"},
	{regexp.MustCompile(`; one of (.*) and a port belong here$`), "；此处应为 $1 之一，再写端口"},
	{regexp.MustCompile(`; write the name of a device$`), "；请写设备名"},
	{regexp.MustCompile(`; write (.*) or (\S+)$`), "；写法例如 $1 或 $2"},
}

// Filter tells what is wrong with a filter. Below stands the filter itself, as it is.
func Filter(wrong error) Text {
	said, typed, _ := strings.Cut(wrong.Error(), "\n")
	for _, f := range filterZH {
		said = f.english.ReplaceAllString(said, f.chinese)
	}
	return Text{story.English: wrong.Error(), story.Chinese: said + "\n" + typed}
}
