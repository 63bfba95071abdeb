package cmcd

import "bytes"

// maxMembers bounds a dictionary and a list of parameters. RFC 8941 asks for 1,024
// and 256.
const maxMembers = 1024

// A parser goes through a record once and writes JSON as it goes. After a failure it
// does nothing, and at is where it stopped.
type parser struct {
	in     []byte
	at     int
	out    []byte
	most   int // bytes of out
	undone int // bytes that were written, and taken out of out again
	failed bool
	large  bool // for want of room
}

func (p *parser) fail() { p.failed = true }

// fits fails if there is more than there may be. An object can have eight times the
// bytes of its record, so it is asked after each value.
func (p *parser) fits() {
	if len(p.out) > p.most {
		p.failed, p.large = true, true
	}
}

// peek is the next byte; 0, which is nowhere allowed, at the end and after a failure.
func (p *parser) peek() byte {
	if p.failed || p.at >= len(p.in) {
		return 0
	}
	return p.in[p.at]
}

// take skips the next byte if it is c.
func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) blanks(tabs bool) {
	for c := p.peek(); c == ' ' || tabs && c == '\t'; c = p.peek() {
		p.at++
	}
}

func (p *parser) write(s string) { p.out = append(p.out, s...) }

// copy writes what was read since from.
func (p *parser) copy(from int) { p.out = append(p.out, p.in[from:p.at]...) }

// dictionary is the whole record (RFC 8941, section 4.2.2). found is told each key
// with its value as it is spelled, without parameters.
func (p *parser) dictionary(found func(key, value []byte)) {
	var names members
	p.write("{")
	for {
		p.blanks(true)
		key := p.name(&names)
		found(key, p.value(p.take('=')))
		p.fits()
		p.blanks(true)
		if p.failed || p.at == len(p.in) {
			break
		}
		if !p.take(',') {
			p.fail()
			return
		}
	}
	p.end(&names)
	p.write("}")
}

// end leaves the last member of each name.
func (p *parser) end(names *members) {
	if !p.failed {
		before := len(p.out)
		p.out = names.end(p.out)
		p.undone += before - len(p.out)
	}
}

// value writes an item or an inner list, with its parameters; if none is given it
// is true. It returns its spelling.
func (p *parser) value(given bool) []byte {
	start, at := p.at, len(p.out)
	switch {
	case !given:
		p.write("true")
	case p.peek() == '(':
		p.list()
	default:
		p.item()
	}
	spelled := p.in[start:p.at]
	p.parameters(at)
	return spelled
}

// list is an inner list (RFC 8941, section 4.2.1.2).
func (p *parser) list() {
	p.take('(')
	p.write("[")
	for first := true; ; first = false {
		p.blanks(false)
		if p.take(')') {
			p.write("]")
			return
		}
		if !first {
			p.write(",")
		}
		at := len(p.out)
		p.item()
		p.parameters(at)
		p.fits()
		if c := p.peek(); c != ' ' && c != ')' {
			p.fail()
			return
		}
	}
}

// parameters follow the value that was written at at, and wrap it (RFC 8941, section
// 4.2.3.2).
func (p *parser) parameters(at int) {
	if p.peek() != ';' {
		return
	}
	const before = `{"value":`
	p.write(before)
	copy(p.out[at+len(before):], p.out[at:])
	copy(p.out[at:], before)
	p.write(`,"params":{`)
	var names members
	for p.take(';') {
		p.blanks(false)
		p.name(&names)
		if p.take('=') {
			p.item()
		} else {
			p.write("true")
		}
		p.fits()
	}
	p.end(&names)
	p.write("}}")
}

// name reads a key and begins a member (RFC 8941, section 4.2.3.3).
func (p *parser) name(names *members) []byte {
	start := p.at
	if c := p.peek(); !isLower(c) && c != '*' {
		p.fail()
		return nil
	}
	for c := p.peek(); isLower(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '*'; c = p.peek() {
		p.at++
	}
	key := p.in[start:p.at]
	var ok bool
	if p.out, ok = names.begin(p.out, key); !ok {
		p.fail()
	}
	return key
}

// item is a value without parameters (RFC 8941, section 4.2.3.1).
func (p *parser) item() {
	start := p.at
	switch c := p.peek(); {
	case c == '-' || isDigit(c):
		p.number(true)
	case c == '@': // RFC 9651, section 4.2.9
		p.at++
		p.number(false)
	case c == '"':
		p.text()
	case c == ':':
		p.at++
		for c := p.peek(); isAlpha(c) || isDigit(c) || c == '+' || c == '/' || c == '='; c = p.peek() {
			p.at++
		}
		p.write(`"`)
		p.copy(start + 1)
		p.write(`"`)
		if !p.take(':') {
			p.fail()
		}
	case c == '?':
		p.at++
		switch {
		case p.take('1'):
			p.write("true")
		case p.take('0'):
			p.write("false")
		default:
			p.fail()
		}
	case c == '*' || isAlpha(c):
		for tokens[p.peek()] {
			p.at++
		}
		p.write(`"`)
		p.copy(start)
		p.write(`"`)
	default:
		p.fail()
	}
}

// number is an integer of up to 15 digits, or a decimal of up to 12 and 3 (RFC 8941,
// section 4.2.4). JSON has no leading zeros.
func (p *parser) number(decimals bool) {
	if p.take('-') {
		p.write("-")
	}
	start := p.at
	p.digits()
	whole := p.at - start
	for start < p.at-1 && p.in[start] == '0' {
		start++
	}
	if decimals && p.take('.') {
		point := p.at
		p.digits()
		if n := p.at - point; n == 0 || n > 3 || whole > 12 {
			p.fail()
		}
	}
	if whole == 0 || whole > 15 {
		p.fail()
	}
	p.copy(start)
}

func (p *parser) digits() {
	for isDigit(p.peek()) {
		p.at++
	}
}

// text is a string (RFC 8941, section 4.2.5). Its two escapes are JSON's too.
func (p *parser) text() {
	start := p.at
	p.at++
	for {
		switch c := p.peek(); {
		case c == '"':
			p.at++
			p.copy(start)
			return
		case c == '\\':
			p.at++
			if c := p.peek(); c != '"' && c != '\\' {
				p.fail()
				return
			}
		case c < ' ' || c == 0x7f: // the end too
			p.fail()
			return
		}
		p.at++
	}
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return isLower(c|0x20) && c >= 'A' }

// tokens are the bytes of a token after the first (RFC 8941, section 3.3.4).
var tokens = func() (t [256]bool) {
	for c := range t {
		t[c] = isAlpha(byte(c)) || isDigit(byte(c)) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~:/"), byte(c)) >= 0
	}
	return t
}()
