package config

import (
	"errors"
	"net/url"
	"strings"

	"event-dispatcher/broker/redis"
)

// mask is what is printed in place of a secret.
const mask = "***"

// masked is an address without its secrets: the login before the hosts, and the
// password of Sentinels behind them. What is no address is left as it is.
func masked(address string) string {
	return eachSecret(address, func(string) string { return mask })
}

var errMasked = errors.New("the secret is " + mask + ", which -print-config writes in its place: put the secret itself there")

// unmasked refuses an address that has a mask for a secret: it was printed, not given.
func unmasked(address string) (err error) {
	eachSecret(address, func(secret string) string {
		if secret == mask || strings.HasSuffix(secret, ":"+mask) {
			err = errMasked
		}
		return secret
	})
	return err
}

// eachSecret is an address whose logins and passwords are changed.
func eachSecret(address string, change func(secret string) string) string {
	a, ok := redis.SplitAddress(address)
	if !ok {
		return address
	}
	if login, ok := strings.CutSuffix(a.Login, "@"); ok {
		a.Login = change(login) + "@"
	}
	before := a.Scheme + "://" + a.Login + a.Hosts
	path, query, ok := strings.Cut(a.Tail, "?")
	if !ok {
		return before + a.Tail
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, value, _ := strings.Cut(pair, "="); value != "" && isSecret(name) {
			pairs[i] = name + "=" + change(value)
		}
	}
	return before + path + "?" + strings.Join(pairs, "&")
}

// isSecret reports whether an option of an address is one.
func isSecret(option string) bool {
	name, err := url.QueryUnescape(option)
	return err != nil || strings.Contains(name, "password")
}
