package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/soak"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/lab/trace"
)

var (
	lifeTitle = say.Text{"The life of seed %d", "种子 %d"}
	lifeTold  = say.Text{
		story.English: "%s: packets %s, delivered %s, connections %d, virtual time %v\n",
		story.Chinese: "%s：包 %s 个，送达 %s，连接 %d 个，虚拟时间 %v\n",
	}
	lifeTwice = say.Text{"played twice, the second time: %s\n", "演示了两遍，第二遍：%s\n"}
	lifeDrawn = say.Text{"drawn: %s\n", "抽取：%s\n"}
	lifeGood  = say.Text{"passed\n", "符合要求\n"}
	lifeWrong = say.Text{"the life of seed %d failed: %w", "种子 %d 的结果不符合要求：%w"}
)

// relationsZh are the Chinese words for what is other in the second life, by Relation.Name.
var relationsZh = map[string]string{
	"again":               "原样重演",
	"renumbered":          "改变初始序列号",
	"later":               "改变开始时间",
	"in batches":          "切换成批处理",
	"in super-segments":   "切换超级报文段（GSO）",
	"offloaded":           "切换校验和卸载",
	"over the other IP":   "改用另一 IP 版本",
	"by cookie":           "凭 SYN cookie 建立连接",
	"in smaller segments": "使用较小的报文段",
	"with old segments":   "重复旧报文段",
}

// relationText tells a relation; one that has no Chinese words is told in English.
func relationText(name string, l story.Lang) string {
	if l == story.Chinese {
		return cmp.Or(relationsZh[name], name)
	}
	return name
}

// show plays one life, and tells of it.
func (o *soakOptions) show() error {
	rep := soak.Run(o.seed)
	if o.json {
		if err := json.NewEncoder(o.stdout).Encode(lifeJSON(&rep)); err != nil {
			return err
		}
	}
	title := fmt.Sprintf(lifeTitle[o.stdout.lang], o.seed)
	if o.ladder || o.out.wanted() {
		_, r := soak.Replay(o.seed)
		life := &soakLife{o, r}
		if o.ladder && !o.json {
			if err := life.draw(); err != nil {
				return err
			}
		}
		// It is written also of a life that went wrong: then it is wanted most.
		if err := o.out.write(life, title); err != nil {
			return err
		}
	}
	if !o.json {
		o.stdout.printf(lifeTold, title, formatCount(rep.Packets), formatSize(int64(rep.Bytes)), rep.Conns, rep.Life)
		if rep.Relation != "" {
			o.stdout.printf(lifeTwice, relationText(rep.Relation, o.stdout.lang))
		}
		o.stdout.printf(lifeDrawn, rep.Plan)
	}
	if rep.Err != nil {
		return say.Errorf(lifeWrong, o.seed, rep.Err)
	}
	if !o.json {
		o.stdout.printf(lifeGood)
	}
	return nil
}

// soakLife is a life with all that happened.
type soakLife struct {
	*soakOptions
	result *lab.Result
}

// Tell, Run, Empty and Speaks are what a file is written of.
func (l *soakLife) Tell(t story.TellOptions) *story.Telling {
	t.From, t.Until = l.from, l.until
	return story.Tell(&l.result.Run, t)
}

// Run returns all that happened.
func (l *soakLife) Run() *trace.Run { return &l.result.Run }

// Empty reports whether nothing did.
func (l *soakLife) Empty() bool { return len(l.result.Events) == 0 }

// Speaks returns the language in which it is told.
func (l *soakLife) Speaks() story.Lang { return l.stdout.lang }

// draw draws the ladder.
func (l *soakLife) draw() error {
	t := l.Tell(story.TellOptions{Lang: l.stdout.lang, Explain: l.explain})
	ladder := story.Ladder{Lanes: t.Lanes, Width: l.stdout.columns(), ASCII: l.ascii, Color: l.stdout.color}
	if err := ladder.Write(l.stdout, t.Steps); err != nil {
		return err
	}
	_, err := fmt.Fprintf(l.stdout, "\n%s\n\n", strings.Join(story.Legend(t.Steps, l.stdout.lang, l.ascii, l.stdout.columns()), "\n"))
	return err
}
