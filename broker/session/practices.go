package session

import "strings"

// Practices tells practices apart: case does not matter, and one of them is that of
// events and users that name none.
type Practices struct {
	name, folded string // of the default one, as it is written and as it is compared
}

// NewPractices returns the practices with a default one. Empty means "myPracticeId".
func NewPractices(name string) Practices {
	if name == "" {
		name = "myPracticeId"
	}
	return Practices{name, fold(name)}
}

func fold(practice string) string { return strings.ToLower(practice) }

// Named is the practice as it is written: the default one for none.
func (p Practices) Named(practice string) string {
	if practice == "" {
		return p.name
	}
	return practice
}

// Fold brings a practice into the form that is compared.
func (p Practices) Fold(practice string) string {
	if practice == "" {
		return p.folded
	}
	return fold(practice)
}

// A member is one user in one practice, folded.
type member struct{ practice, user string }

func (p Practices) member(practice, user string) member { return member{p.Fold(practice), user} }

// written is a member's practice as somebody wrote it, if that is known: pages compare
// what they are told with their own. What Redis says may be anything.
func (p Practices) written(who member, practice string) string {
	switch {
	case practice != "" && len(practice) <= MaxName && fold(practice) == who.practice:
		return practice
	case who.practice == p.folded:
		return p.name
	}
	return who.practice
}

// An entryKey names one stored event.
type entryKey struct {
	member
	action string
}

func (p Practices) key(e Event) entryKey { return entryKey{p.member(e.Practice, e.Source), e.Action} }
