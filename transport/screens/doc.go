// Package screens serves the screens of users, who share what each of them does:
// submissions by POST, what is stored of a user, and sockets that show both.
package screens
