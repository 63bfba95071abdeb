package consumer

// Roles deals roles out among n consumers in the order they join. Samples are
// spread from the first to the last, because a server may serve the one
// quicker than the other; the special ones are spread among the rest. If there
// are not enough consumers, the later kinds get fewer.
func Roles(n, sampling, stalling, slow, returning int) []Role {
	roles := make([]Role, n)
	spread(roles, sampling, Sampling)
	spread(roles, stalling, Stalling)
	spread(roles, slow, Slow)
	spread(roles, returning, Returning)
	return roles
}

// spread gives role to want of the consumers that have none, evenly.
func spread(roles []Role, want int, role Role) {
	var free []int
	for i, r := range roles {
		if r == Counting {
			free = append(free, i)
		}
	}
	want = min(want, len(free))
	for k := range want {
		i := 0
		if want > 1 {
			i = k * (len(free) - 1) / (want - 1)
		}
		roles[free[i]] = role
	}
}
