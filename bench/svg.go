package main

func (rep report) draw(dir string) error { return nil }
