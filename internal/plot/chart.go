package plot

import (
	"cmp"
	"io"
	"math"
	"slices"
)

// Chart is a picture: panels side by side, a title above, a legend at the right.
type Chart struct {
	Title    string
	Subtitle string // what the figures hold for
	Panels   []Panel
	Footer   string // how to get this picture again
}

// Panel is one coordinate system.
type Panel struct {
	Title string
	X, Y  Axis
	Lines []Line
}

// Line is one curve. Points that are not finite, and those not above 0 on a logarithmic axis, are left out.
type Line struct {
	Name   string // in the legend; lines of one name have one colour
	Points []Point
	Dots   bool // a dot at each point
	Dashed bool
}

// Point is a place in a panel.
type Point struct{ X, Y float64 }

// CDF returns the distribution of values: at X, Y percent of them are X or less. It sorts the values.
func CDF(values []float64) []Point {
	slices.Sort(values)
	points := make([]Point, 0, len(values)+1)
	for i, v := range values {
		if i == 0 {
			points = append(points, Point{v, 0})
		}
		points = append(points, Point{v, 100 * float64(i+1) / float64(len(values))})
	}
	return points
}

// Lengths of the layout in pixels.
const (
	panelWidth  = 400.0
	wideWidth   = 640.0 // of a panel that is alone
	panelHeight = 320.0
	marginLeft  = 66.0 // of each panel: tick labels and the axis' label
	marginRight = 24.0
	headHeight  = 92.0 // titles
	footHeight  = 74.0 // tick labels, the axis' label, the footer
	legendWidth = 128.0
	legendStep  = 22.0
)

// colours are those of Okabe and Ito, told apart by colour-blind people too; yellow is left out.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555", "#8b5a2b"}

// Write writes the chart as an SVG document.
func (c *Chart) Write(w io.Writer) error {
	width := panelWidth
	if len(c.Panels) == 1 {
		width = wideWidth
	}
	names := c.names()
	total := float64(len(c.Panels))*(marginLeft+width+marginRight) + 8
	if len(names) > 1 {
		total += legendWidth
	}
	d := new(drawing)
	d.open(max(total, wideWidth), headHeight+panelHeight+footHeight)
	d.text(20, 34, "title", "start", c.Title)
	d.text(20, 56, "sub", "start", c.Subtitle)
	for i := range c.Panels {
		left := float64(i)*(marginLeft+width+marginRight) + marginLeft
		frame := box{left, headHeight, width, panelHeight}
		frame.draw(d, &c.Panels[i], names)
	}
	if len(names) > 1 {
		d.legend(total-legendWidth+4, headHeight+10, c.legend(names))
	}
	d.text(20, headHeight+panelHeight+footHeight-10, "foot", "start", c.Footer)
	d.close()
	_, err := w.Write(d.b)
	return err
}

// names returns the names of all lines, each once, in the order they come in.
func (c *Chart) names() (names []string) {
	for _, p := range c.Panels {
		for _, l := range p.Lines {
			if !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// legend returns a line of each name, to draw a sample like it.
func (c *Chart) legend(names []string) (lines []Line) {
	for _, name := range names {
		for _, p := range c.Panels {
			if i := slices.IndexFunc(p.Lines, func(l Line) bool { return l.Name == name }); i >= 0 {
				lines = append(lines, p.Lines[i])
				break
			}
		}
	}
	return lines
}

// box is the area of a panel's coordinate system, in pixels.
type box struct{ left, top, width, height float64 }

func (b box) draw(d *drawing, p *Panel, names []string) {
	x, y := p.X.scale(p.coordinates(0)), p.Y.scale(p.coordinates(1))
	d.text(b.left, b.top-12, "panel", "start", p.Title)
	for _, t := range x.ticks {
		px := b.left + x.at(t)*b.width
		d.line(px, b.top, px, b.top+b.height, "grid")
		d.text(px, b.top+b.height+18, "tick", "middle", x.label(t))
	}
	for _, t := range y.ticks {
		py := b.top + (1-y.at(t))*b.height
		d.line(b.left, py, b.left+b.width, py, "grid")
		d.text(b.left-8, py+4, "tick", "end", y.label(t))
	}
	d.line(b.left, b.top+b.height, b.left+b.width, b.top+b.height, "axis")
	d.text(b.left+b.width/2, b.top+b.height+40, "label", "middle", p.X.Label)
	d.turned(b.left-48, b.top+b.height/2, "label", p.Y.Label)
	for _, l := range p.Lines {
		d.curve(l, colourOf(l.Name, names), b.points(l, x, y))
	}
}

// points places the points of a line. Of those that a viewer could not tell apart one is enough.
func (b box) points(l Line, x, y scale) (placed []Point) {
	const apart = 0.3
	for i, p := range l.Points {
		q := Point{b.left + x.at(p.X)*b.width, b.top + (1-y.at(p.Y))*b.height}
		if !finite(q.X) || !finite(q.Y) {
			continue
		}
		if n := len(placed); n > 0 && i < len(l.Points)-1 && math.Abs(placed[n-1].X-q.X)+math.Abs(placed[n-1].Y-q.Y) < apart {
			continue
		}
		placed = append(placed, q)
	}
	return placed
}

// coordinates returns the x (0) or y (1) of all points of all lines.
func (p *Panel) coordinates(which int) (all []float64) {
	for _, l := range p.Lines {
		for _, point := range l.Points {
			all = append(all, [2]float64{point.X, point.Y}[which])
		}
	}
	return all
}

func colourOf(name string, names []string) string {
	return colours[max(slices.Index(names, name), 0)%len(colours)]
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// span returns the least and the greatest of the finite values; only those above 0 if so asked for.
func span(values []float64, positive bool) (lo, hi float64) {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !finite(v) || (positive && v <= 0) })
	if len(values) == 0 {
		return 0, 1
	}
	return slices.MinFunc(values, cmp.Compare), slices.MaxFunc(values, cmp.Compare)
}
