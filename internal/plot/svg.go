package plot

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// style is that of all charts: nothing is taken from the viewer but its sans-serif font.
const style = `text{font-family:system-ui,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#333;font-size:12px}
.title{font-size:20px;font-weight:600;fill:#111}.sub{font-size:13px;fill:#555}.panel{font-size:14px;font-weight:600;fill:#222}
.tick{fill:#555}.label{font-size:12.5px}.foot{font-size:11px;fill:#888;font-family:ui-monospace,"DejaVu Sans Mono",monospace}
.grid{stroke:#e4e4e4;stroke-width:1}.axis{stroke:#777;stroke-width:1}.curve{fill:none;stroke-width:2;stroke-linejoin:round}`

// drawing is an SVG document that is being written.
type drawing struct{ b []byte }

func (d *drawing) add(format string, args ...any) { d.b = fmt.Appendf(d.b, format, args...) }

func (d *drawing) open(width, height float64) {
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%v" height="%v" viewBox="0 0 %[1]v %[2]v">`+"\n", pixels(width), pixels(height))
	d.add("<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", style)
}

func (d *drawing) close() { d.add("</svg>\n") }

func (d *drawing) text(x, y float64, class, anchor, text string) {
	if text != "" {
		d.add(`<text x="%v" y="%v" class="%s" text-anchor="%s">%s</text>`+"\n", pixels(x), pixels(y), class, anchor, escaped(text))
	}
}

// turned writes text upwards, its middle at a point.
func (d *drawing) turned(x, y float64, class, text string) {
	d.add(`<text transform="translate(%v %v) rotate(-90)" class="%s" text-anchor="middle">%s</text>`+"\n", pixels(x), pixels(y), class, escaped(text))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	d.add(`<path d="M%v %vL%v %v" class="%s"/>`+"\n", pixels(x1), pixels(y1), pixels(x2), pixels(y2), class)
}

func (d *drawing) curve(l Line, colour string, points []Point) {
	if len(points) > 1 {
		d.add(`<path class="curve" stroke="%s"%s d="`, colour, dash(l))
		for i, p := range points {
			d.add("%c%v %v", "ML"[min(i, 1)], pixels(p.X), pixels(p.Y))
		}
		d.add(`"><title>%s</title></path>`+"\n", escaped(l.Name))
	}
	if l.Dots || len(points) == 1 {
		for _, p := range points {
			d.add(`<circle cx="%v" cy="%v" r="3.5" fill="%s"/>`+"\n", pixels(p.X), pixels(p.Y), colour)
		}
	}
}

func dash(l Line) string {
	if l.Dashed {
		return ` stroke-dasharray="6 4"`
	}
	return ""
}

func (d *drawing) legend(x, y float64, lines []Line) {
	for i, l := range lines {
		at := y + float64(i)*legendStep
		d.add(`<path class="curve" stroke="%s"%s d="M%v %vh20"/>`+"\n", colours[i%len(colours)], dash(l), pixels(x), pixels(at))
		d.text(x+28, at+4, "label", "start", l.Name)
	}
}

// pixels writes a length with at most one decimal.
func pixels(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}
