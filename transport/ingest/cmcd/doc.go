// Package cmcd reads reports of the Common Media Client Data standard, version 2,
// in event mode (CTA-5004-B), and turns them into JSON events.
//
// A body has one record per line. A record is a dictionary of Structured Fields
// (RFC 8941, section 3.2), and becomes one JSON object:
//
//	br=4200,bs,e=t,mtp=(48100),sid="a\"b",sta=p,ts=1764752400000,v=2
//	{"br":4200,"bs":true,"e":"t","mtp":[48100],"sid":"a\"b","sta":"p","ts":1764752400000,"v":2}
//
//	in the record                in the object
//	key                          name of a member, as it is; the last one wins
//	integer, decimal, date       number
//	string, token                string
//	byte sequence                string: its base64, as it is
//	?1, ?0, key alone            true, false, true
//	inner list                   array
//	value with parameters        {"value":…,"params":{…}}
//
// Two things are read more kindly than RFC 8941 does: blanks around a line do not
// count, and strings may have any characters of UTF-8 but control characters,
// since encoders in use write them.
//
// [Losses] counts from the sequence numbers of reports how many never came.
package cmcd
