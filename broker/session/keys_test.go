package session

import (
	"fmt"
	"testing"
)

// No key is that of two members, or of two deployments whose prefixes end with a colon, whatever
// users and practices are called.
func TestKeysAreOneMembersAlone(t *testing.T) {
	names := []string{"alice", "staging", "stagingalice", "staging:", "staging/", "users", "a", "b", "a:b", "a:", ":", "/", "%3A", "%", "USERS", "SOCKETS", "PRACTICES", Updating}
	whose := map[string]string{}
	own := func(key, owner string) {
		if other, taken := whose[key]; taken && other != owner {
			t.Errorf("%q is the key of %s, and of %s", key, other, owner)
		}
		whose[key] = owner
	}
	for _, prefix := range []string{"", "a:", "b:", "a:b:", "staging:", "staging/:", "users:"} {
		k := keys{prefix, "default"}
		own(k.users(), prefix+" users")
		for _, practice := range append(names, "default") {
			if practice != "default" {
				own(k.members(practice), fmt.Sprintf("%s members of %q", prefix, practice))
			}
			for _, user := range names {
				who := member{practice, user}
				own(k.sockets(who), fmt.Sprintf("%s sockets of %q", prefix, who))
				own(k.practices(user), fmt.Sprintf("%s practices of %q", prefix, user))
				for _, action := range actions {
					own(k.event(who, action), fmt.Sprintf("%s %s of %q", prefix, action, who))
				}
			}
		}
	}
}
