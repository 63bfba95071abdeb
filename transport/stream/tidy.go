package stream

// tidyAtLeast is how many bytes a loop has kept when letting go of them is worth a
// collection.
const tidyAtLeast = 4 << 20

// What is left behind, about, by a consumer that was behind, and by a view
// here and in one loop; a compressed one had a compressor, too.
const (
	consumerBytes   = 4 << 10
	viewBytes       = 100 << 10
	compressorBytes = 1 << 20
)

// keptMore notes that a loop keeps more than before.
func (l *loop) keptMore() { l.peak = max(l.peak, l.stats.kept.Load()+l.stats.held.Load()) }

// keptLess notes that it keeps less, and has memory given back if that is much.
func (l *loop) keptLess() {
	if now := l.stats.kept.Load() + l.stats.held.Load(); l.peak >= tidyAtLeast && now < l.peak/2 {
		l.peak = now
		l.pool.tidier.Later()
	}
}
