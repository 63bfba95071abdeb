package jsonkey

// Find returns the bytes of the value of the top-level member called name, as
// they stand in the event (a string keeps its quotes): of the last such member if
// there are several. Anything but an object has no members, and members of nested
// objects do not count. The result is a part of event.
func Find(event []byte, name string) (value []byte, ok bool) {
	i := skipSpace(event, 0)
	if i >= len(event) || event[i] != '{' {
		return nil, false
	}
	i = skipSpace(event, i+1)
	for i < len(event) && event[i] == '"' {
		end, escaped := skipName(event, i)
		spelled := event[i+1 : max(end-1, i+1)]
		found := string(spelled) == name
		if escaped {
			found = says(spelled, name)
		}
		i = skipSpace(event, end)
		if i >= len(event) || event[i] != ':' {
			break // not valid JSON
		}
		i = skipSpace(event, i+1)
		end = skipValue(event, i)
		if found {
			value, ok = event[i:end], true
		}
		i = skipSpace(event, end)
		if i >= len(event) || event[i] != ',' {
			break
		}
		i = skipSpace(event, i+1)
	}
	return value, ok
}
