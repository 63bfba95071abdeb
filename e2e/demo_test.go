//go:build unix

package e2e

import (
	"fmt"
	"testing"
)

// Two users' screens in one page, as docs/sessions.md shows them.
func TestDemoShowsWhatTheOtherDoes(t *testing.T) {
	t.Parallel()
	addr := start(t, 1)[0]
	b := visit(t, "http://"+addr+"/poc/demo", 1280, 780)
	screen := func(user, rest string) string {
		return fmt.Sprintf(`document.querySelector('[aria-label="Screen of %s"] %s')`, user, rest)
	}
	for _, user := range []string{"alice", "bob"} {
		b.until(user+" is connected", screen(user, ".state")+`.textContent === "connected"`)
		b.until(user+" sees both", screen(user, ".people")+`.textContent === "alicebob" || `+screen(user, ".people")+`.textContent === "bobalice"`)
	}
	write := func(user, card, text string) {
		input := screen(user, fmt.Sprintf(`[data-card="%s"] input`, card))
		eval[any](b, fmt.Sprintf(`%s.focus(); %s.value = %q; %s.dispatchEvent(new Event("input"))`, input, input, text, input))
	}
	shows := func(user, card, text, by string) {
		t.Helper()
		b.until(user+" sees the change", screen(user, fmt.Sprintf(`[data-card="%s"] input`, card))+fmt.Sprintf(`.value === %q`, text))
		b.until(user+" sees whose it is", screen(user, fmt.Sprintf(`[data-card="%s"] .by`, card))+fmt.Sprintf(`.textContent === "changed by %s"`, by))
	}
	write("alice", "id_123", "Tonight: the last glacier")
	shows("bob", "id_123", "Tonight: the last glacier", "alice")
	write("bob", "id_124", "Anna Keller, glaciologist")
	shows("alice", "id_124", "Anna Keller, glaciologist", "bob")
	b.until("alice sees where bob is", screen("alice", `[data-card="id_124"] .viewers`)+`.textContent === "bob"`)
	eval[any](b, screen("alice", ".notify")+`.click()`)
	b.until("bob is told", screen("bob", ".log")+`.textContent.includes("notice: alice says hello")`)
	eval[any](b, `document.activeElement.blur()`)
	b.until("colours have settled", `!document.querySelector("[data-fresh]") && document.getAnimations().length === 0`)
	b.shot("demo")
	b.accessible("with two screens")
	b.prefer("dark")
	b.until("it is dark", `getComputedStyle(document.body).backgroundColor !== "rgb(245, 246, 248)" && document.getAnimations().length === 0`)
	b.shot("demo-dark")
	b.accessible("in the dark")
	b.resize(390, 844)
	b.until("it fits a phone", `document.documentElement.scrollWidth <= 390`)
	b.accessible("on a phone")

	eval[any](b, screen("alice", ".door")+`.click()`)
	b.until("bob sees that she left", screen("bob", ".people")+`.textContent === "bob"`)
	b.fine(addr)
}
